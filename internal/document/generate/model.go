package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// model is what the source of package document says.
type model struct {
	objects map[string]*object
	enums   map[string]*enum
	order   []string // the names of all of them that the document has, in the order in which it mentions them
}

// object is a struct type.
type object struct {
	name, doc string
	embeds    []string
	fields    []field
}

type field struct {
	name, doc string
	typ       typ
	optional  bool
}

// typ is the type of a value.
type typ struct {
	kind kind
	ref  string // of kindRef
	of   *typ   // of kindList and kindMap
	key  string // of kindMap: the enum that its keys are of; empty: they are any text
	null bool   // it may be null
}

type kind int

const (
	kindAny kind = iota
	kindText
	kindTime
	kindInteger
	kindNumber
	kindBool
	kindList
	kindMap
	kindRef // to an object or an enum
)

// enum is a string type with the constants that are its values.
type enum struct {
	name, doc string
	values    []string
	docs      []string
}

// root is the type of the whole document.
const root = "Document"

// parse reads the package in a folder.
func parse(folder string) (*model, error) {
	m := &model{objects: map[string]*object{}, enums: map[string]*enum{}}
	var structs []*ast.TypeSpec
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declared := range file.Decls {
			general, ok := declared.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					if _, ok := spec.Type.(*ast.StructType); ok {
						spec.Doc = general.Doc
						structs = append(structs, spec)
					} else if spec.Name.Name != "Time" {
						m.enumOf(spec.Name.Name).doc = docOf(general.Doc)
					}
				case *ast.ValueSpec:
					if err := m.addConstant(general.Tok, spec); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	for _, spec := range structs {
		if err := m.addObject(spec); err != nil {
			return nil, fmt.Errorf("type %s: %w", spec.Name.Name, err)
		}
	}
	return m, m.walk(root)
}

func (m *model) enumOf(name string) *enum {
	if m.enums[name] == nil {
		m.enums[name] = &enum{name: name}
	}
	return m.enums[name]
}

func (m *model) addConstant(tok token.Token, spec *ast.ValueSpec) error {
	of, typed := spec.Type.(*ast.Ident)
	if tok != token.CONST || !typed {
		return nil
	}
	value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
	if err != nil {
		return fmt.Errorf("constant %s: %w", spec.Names[0].Name, err)
	}
	e := m.enumOf(of.Name)
	e.values, e.docs = append(e.values, value), append(e.docs, docOf(spec.Comment))
	return nil
}

func (m *model) addObject(spec *ast.TypeSpec) error {
	o := &object{name: spec.Name.Name, doc: docOf(spec.Doc)}
	for _, f := range spec.Type.(*ast.StructType).Fields.List {
		if len(f.Names) == 0 {
			o.embeds = append(o.embeds, f.Type.(*ast.Ident).Name)
			continue
		}
		if f.Tag == nil {
			return fmt.Errorf("field %s has no name in JSON", f.Names[0].Name)
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
		t, err := m.typeOf(f.Type)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Names[0].Name, err)
		}
		name, options, _ := strings.Cut(tag.Get("json"), ",")
		ours := strings.Split(tag.Get("schema"), ",")
		one := field{name: name, doc: cmp.Or(docOf(f.Doc), docOf(f.Comment)), typ: t}
		one.optional = options == "omitempty" || slices.Contains(ours, "optional")
		if slices.Contains(ours, "nullable") {
			one.typ.null = true
		} else if options == "omitempty" {
			one.typ.null = false // it is left out instead
		}
		o.fields = append(o.fields, one)
	}
	m.objects[o.name] = o
	return nil
}

var basic = map[string]kind{
	"any": kindAny, "string": kindText, "bool": kindBool, "float64": kindNumber, "int": kindInteger, "int64": kindInteger, "uint64": kindInteger,
}

func (m *model) typeOf(expr ast.Expr) (typ, error) {
	switch e := expr.(type) {
	case *ast.Ident:
		k, known := basic[e.Name]
		switch {
		case known:
			return typ{kind: k}, nil
		case e.Name == "Time":
			return typ{kind: kindText, null: true}, nil
		}
		return typ{kind: kindRef, ref: e.Name}, nil
	case *ast.SelectorExpr: // the package imports no other type
		return typ{kind: kindTime}, nil
	case *ast.StarExpr:
		t, err := m.typeOf(e.X)
		t.null = true
		return t, err
	case *ast.ArrayType:
		t, err := m.typeOf(e.Elt)
		return typ{kind: kindList, of: &t}, err
	case *ast.MapType:
		t, err := m.typeOf(e.Value)
		key, _ := m.typeOf(e.Key)
		return typ{kind: kindMap, of: &t, key: key.ref}, err
	}
	return typ{}, fmt.Errorf("the type %T has no form in the document", expr)
}

// walk puts a type and those that it mentions in order.
func (m *model) walk(name string) error {
	if slices.Contains(m.order, name) {
		return nil
	}
	m.order = append(m.order, name)
	o := m.objects[name]
	if o == nil {
		if len(m.enumOf(name).values) == 0 {
			return fmt.Errorf("type %s has no values", name)
		}
		return nil
	}
	for _, embedded := range o.embeds {
		if err := m.walk(embedded); err != nil {
			return err
		}
	}
	for _, f := range o.fields {
		for t := &f.typ; t != nil; t = t.of {
			for _, name := range []string{t.key, t.ref} {
				if name == "" {
					continue
				}
				if err := m.walk(name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// all are the fields of an object, those of what it embeds first.
func (m *model) all(o *object) []field {
	var fields []field
	for _, embedded := range o.embeds {
		fields = append(fields, m.all(m.objects[embedded])...)
	}
	return append(fields, o.fields...)
}

// sections are the names of the document's sections: what it, or an object in it, holds as an object that may be null.
func (m *model) sections() []string {
	var names []string
	var collect func(of string)
	collect = func(of string) {
		for _, f := range m.objects[of].fields {
			switch {
			case f.typ.kind != kindRef || f.typ.ref == "Meta":
			case f.typ.null:
				names = append(names, f.name)
			default:
				collect(f.typ.ref)
			}
		}
	}
	collect(root)
	return names
}

// docOf is a comment as one paragraph per paragraph.
func docOf(comment *ast.CommentGroup) string {
	var paragraphs []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(comment.Text()), "\n\n") {
		paragraphs = append(paragraphs, strings.ReplaceAll(paragraph, "\n", " "))
	}
	return strings.Join(paragraphs, "\n\n")
}
