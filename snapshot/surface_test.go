package snapshot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a stranger has to read is bounded: the exported names of the package and of what belongs to it, methods and fields
// included. A new name is a decision; raise the number with it, or take another name away.
func TestExportedNamesAreFew(t *testing.T) {
	for folder, most := range map[string]int{".": 107, "link": 33, "redislink": 18, "pglink": 16} {
		if names := exported(t, folder); len(names) > most {
			t.Errorf("%s exports %d names, at most %d are wanted: %s", folder, len(names), most, strings.Join(names, " "))
		}
	}
}

// A package that one can read: 25 files and 3,000 lines at most, tests aside.
func TestPackagesAreSmall(t *testing.T) {
	type size struct{ files, lines int }
	sizes := map[string]size{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		s := sizes[filepath.Dir(path)]
		sizes[filepath.Dir(path)] = size{s.files + 1, s.lines + strings.Count(string(text), "\n")}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, s := range sizes {
		if s.files > 25 || s.lines > 3000 {
			t.Errorf("%s has %d files and %d lines", folder, s.files, s.lines)
		}
	}
}

// exported lists the exported names of the package in a folder: X, Type.Method and Type.Field.
func exported(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", folder, len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			names = append(names, namesOf(declared)...)
		}
	}
	return names
}

func namesOf(declared ast.Decl) (names []string) {
	add := func(prefix string, idents ...*ast.Ident) {
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, prefix+ident.Name)
			}
		}
	}
	if f, ok := declared.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			add("", f.Name)
		} else if on := receiver(f); on.IsExported() {
			add(on.Name+".", f.Name)
		}
		return names
	}
	for _, spec := range declared.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			add("", spec.Names...)
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			add("", spec.Name)
			for _, member := range members(spec.Type) {
				add(spec.Name.Name+".", member.Names...)
				if member.Names == nil { // embedded
					names = append(names, spec.Name.Name+".*")
				}
			}
		}
	}
	return names
}

func receiver(f *ast.FuncDecl) *ast.Ident {
	on := f.Recv.List[0].Type
	if pointer, ok := on.(*ast.StarExpr); ok {
		on = pointer.X
	}
	return on.(*ast.Ident)
}

func members(of ast.Expr) []*ast.Field {
	switch of := of.(type) {
	case *ast.StructType:
		return of.Fields.List
	case *ast.InterfaceType:
		return of.Methods.List
	}
	return nil
}
