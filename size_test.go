package main

import (
	"bytes"
	"os"
	"path"
	"strings"
	"testing"
)

// A package is small enough to be read in one go. What grows beyond the bound becomes two rooms, with a door between them.
const (
	maxFiles = 25
	maxLines = 3_000
)

func TestNoPackageOutgrowsItsRoom(t *testing.T) {
	type size struct{ files, lines int }
	sizes := map[string]size{}
	walkGo(t, func(file string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := sizes[path.Dir(file)]
		sizes[path.Dir(file)] = size{s.files + 1, s.lines + bytes.Count(text, []byte("\n"))}
	})
	for dir, s := range sizes {
		if s.files > maxFiles || s.lines > maxLines {
			t.Errorf("%s has %d files and %d lines besides its tests, more than %d or %d: divide it", dir, s.files, s.lines, maxFiles, maxLines)
		}
	}
}
