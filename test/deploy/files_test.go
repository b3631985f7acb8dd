package deploy

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// read gives a file of the repository, named from its root.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files lists what is in the folder deploy and the files beside it that belong to it, named from the root.
func files(t *testing.T) []string {
	t.Helper()
	list := []string{"compose.yaml", "Dockerfile", "agentos.example.yaml"}
	root := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(root, "deploy", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("only %d files were found: the walk is broken", len(list))
	}
	return list
}

// documents decodes each document of a YAML file. Keys that stand twice are faults.
func documents(t *testing.T, name string) []map[string]any {
	t.Helper()
	var all []map[string]any
	decoder := yaml.NewDecoder(strings.NewReader(read(t, name)))
	for {
		var doc map[string]any
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, doc)
	}
}

func TestYAMLIsWellFormed(t *testing.T) {
	for _, name := range files(t) {
		if ext := filepath.Ext(name); (ext == ".yaml" || ext == ".yml") && len(documents(t, name)) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestFilesThatAreNamedExist(t *testing.T) {
	named := regexp.MustCompile(`\b(?:deploy|docs|scripts|test)/[\w./@-]*[\w]`)
	for _, name := range append(files(t), "docs/operations.md", "SECURITY.md", "Makefile", "scripts/check-deploy") {
		text := read(t, name)
		if strings.HasPrefix(name, "docs/") {
			for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
				if _, err := os.Stat(filepath.Join("..", "..", "docs", link[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", name, link[1])
				}
			}
		}
		for _, path := range named.FindAllString(text, -1) {
			if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
				t.Errorf("%s names %s, which is not there", name, path)
			}
		}
	}
}

func TestNoFileHasTrailingBlanksOrTabsInYAML(t *testing.T) {
	for _, name := range files(t) {
		for i, line := range bytes.Split([]byte(read(t, name)), []byte("\n")) {
			yaml := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
			if len(bytes.TrimRight(line, " \t\r")) != len(line) || yaml && bytes.ContainsRune(line, '\t') {
				t.Errorf("%s:%d: blanks at the end, or a tab", name, i+1)
			}
		}
	}
}
