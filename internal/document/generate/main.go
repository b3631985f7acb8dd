// Command generate writes what is generated from the types of package document and from their comments: the JSON Schema in docs and
// the frontend's TypeScript types. Run it in the root of the repository, by make generate.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(root, path), files[path], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes the files by their paths below the root of the repository.
func generate(root string) (map[string][]byte, error) {
	m, err := parse(filepath.Join(root, "internal", "document"))
	if err != nil {
		return nil, err
	}
	schema, err := m.schema()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		filepath.Join("docs", "document.schema.json"):                       schema,
		filepath.Join("ui", "src", "lib", "types", "document.generated.ts"): m.typescript(),
	}, nil
}
