// Package examples holds the example fleet that `agentos demo` runs: agentos.yaml and the agents it names.
package examples

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed agentos.yaml agents/*.sh
var files embed.FS

// folderSetting is how agentos.yaml names the folder to read.
const folderSetting = `AGENTOS_FOLDER: ".."`

// Unpack writes the fleet to dir, ready to be loaded from dir/agentos.yaml, with folder, an absolute path, as the one
// its agents read. A file that is there and as it should be is left alone; any other is replaced in one step, so that
// a fleet which is running never sees half of it.
func Unpack(dir, folder string) error {
	if !filepath.IsAbs(folder) || !utf8.ValidString(folder) {
		return fmt.Errorf("the folder %q must be an absolute path in UTF-8", folder)
	}
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(path, 0o755)
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if name == "agentos.yaml" {
			// Go's escapes are those of YAML's double quotes.
			setting := "AGENTOS_FOLDER: " + strconv.QuoteToASCII(folder)
			return refresh(path, []byte(strings.Replace(string(data), folderSetting, setting, 1)), 0o644)
		}
		return refresh(path, data, 0o755)
	})
}

// refresh makes the file what it should be; when it has to write, a new file takes the old one's place.
func refresh(path string, data []byte, mode fs.FileMode) error {
	if isAlready(path, data, mode) {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".unpack-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func isAlready(path string, data []byte, mode fs.FileMode) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != mode {
		return false
	}
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, data)
}
