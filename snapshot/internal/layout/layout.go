// Package layout arranges the values of a document by their paths.
package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Layout is the shape of a document: its fixed text, cut where the sections' values go.
type Layout struct {
	Paths [][]string // of the sections, in their order
	texts []string   // texts[i] stands before the i-th value of order; the last one closes all but the document
	order []int      // which section's value comes next
}

// A branch is an object of the document while its layout is made.
type branch struct {
	keys     []string
	children map[string]*branch
	section  int // index of the section whose value stands here; -1 = none
}

func newBranch() *branch { return &branch{children: make(map[string]*branch), section: -1} }

// New arranges sections by their dotted paths. Siblings keep the order in which they are first named.
func New(paths []string) (*Layout, error) {
	root := newBranch()
	l := &Layout{}
	var faults []error
	for i, dotted := range paths {
		path := strings.Split(dotted, ".")
		l.Paths = append(l.Paths, path)
		if err := root.place(path, i); err != nil {
			faults = append(faults, fmt.Errorf("path %q: %w", dotted, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var text strings.Builder
	l.flatten(root, &text)
	l.texts = append(l.texts, strings.TrimSuffix(text.String(), "}"))
	return l, nil
}

// place puts a section at a path below b.
func (b *branch) place(path []string, section int) error {
	if path[0] == "timestamp" || path[0] == "meta" {
		return errors.New(`"timestamp" and "meta" are the document's own`)
	}
	if slices.Contains(path, "") {
		return errors.New("a part of the path is empty")
	}
	for _, key := range path {
		if b.section >= 0 {
			return errors.New("it lies within another section")
		}
		child := b.children[key]
		if child == nil {
			child = newBranch()
			b.children[key] = child
			b.keys = append(b.keys, key)
		}
		b = child
	}
	if b.section >= 0 || len(b.keys) > 0 {
		return errors.New("another section lies there")
	}
	b.section = section
	return nil
}

// flatten writes b's fixed text and ends a piece of it at each section.
func (l *Layout) flatten(b *branch, text *strings.Builder) {
	if b.section >= 0 {
		l.texts = append(l.texts, text.String())
		l.order = append(l.order, b.section)
		text.Reset()
		return
	}
	text.WriteByte('{')
	for i, key := range b.keys {
		if i > 0 {
			text.WriteByte(',')
		}
		quoted, _ := json.Marshal(key) // a string always encodes
		text.Write(quoted)
		text.WriteByte(':')
		l.flatten(b.children[key], text)
	}
	text.WriteByte('}')
}

// AppendValues writes the document up to, not including, its timestamp: values are those of the sections, nil = null.
func (l *Layout) AppendValues(doc []byte, values []json.RawMessage) []byte {
	for i, section := range l.order {
		doc = append(doc, l.texts[i]...)
		if values[section] == nil {
			doc = append(doc, "null"...)
		} else {
			doc = append(doc, values[section]...)
		}
	}
	return append(doc, l.texts[len(l.texts)-1]...)
}
