package main

import (
	"bytes"
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"
)

// schema makes the JSON Schema.
func (m *model) schema() ([]byte, error) {
	head, err := json.Marshal(struct {
		Schema  string `json:"$schema"`
		Comment string `json:"$comment"`
	}{"https://json-schema.org/draft/2020-12/schema", "Generated from package internal/document by make generate."})
	if err != nil {
		return nil, err
	}
	s := m.schemaOf(root)
	s.Defs = map[string]*jsonschema.Schema{}
	for _, name := range m.order[1:] {
		s.Defs[name] = m.schemaOf(name)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, append(append(head[:len(head)-1], ','), text[1:]...), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func (m *model) schemaOf(name string) *jsonschema.Schema {
	if e := m.enums[name]; e != nil {
		s := &jsonschema.Schema{Type: "string", Description: e.doc}
		for _, value := range e.values {
			s.Enum = append(s.Enum, value)
		}
		return s
	}
	o := m.objects[name]
	s := &jsonschema.Schema{Type: "object", Description: o.doc, Properties: map[string]*jsonschema.Schema{}}
	for _, f := range m.all(o) {
		one := f.typ.schema()
		one.Description = f.doc
		s.Properties[f.name], s.PropertyOrder = one, append(s.PropertyOrder, f.name)
		if !f.optional {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

var typeNames = map[kind]string{
	kindText: "string", kindTime: "string", kindInteger: "integer", kindNumber: "number", kindBool: "boolean", kindList: "array", kindMap: "object",
}

func (t typ) schema() *jsonschema.Schema {
	if t.kind == kindRef {
		ref := &jsonschema.Schema{Ref: "#/$defs/" + t.ref}
		if t.null {
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{ref, {Type: "null"}}}
		}
		return ref
	}
	s := &jsonschema.Schema{Type: typeNames[t.kind]}
	switch t.kind {
	case kindTime:
		s.Format = "date-time"
	case kindList:
		s.Items = t.of.schema()
	case kindMap:
		s.AdditionalProperties = t.of.schema()
		if t.key != "" {
			s.PropertyNames = &jsonschema.Schema{Ref: "#/$defs/" + t.key}
		}
	}
	if t.null && s.Type != "" {
		s.Type, s.Types = "", []string{s.Type, "null"}
	}
	return s
}
