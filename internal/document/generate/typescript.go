package main

import (
	"fmt"
	"strings"
	"unicode"
)

const head = `/**
 * The v4 document: what the server publishes and every view reads. Generated from package internal/document by make
 * generate; do not edit.
 *
 * After a merge patch a field that became null is absent, so everything the server may send as null is ` + "`Maybe`" + ` here:
 * read it with ` + "`== null` or `??`" + `. Times are RFC 3339 UTC, durations carry their unit in the name, unknown is null.
 */
export type Maybe<T> = T | null | undefined

/** Entities keyed by id; shown ascending by ` + "`order`" + `. */
export type Keyed<T> = Record<string, T>
`

// typescript makes the TypeScript types.
func (m *model) typescript() []byte {
	var out strings.Builder
	out.WriteString(head)
	fmt.Fprintf(&out, "\n%s", list("sectionNames", "SectionName", m.sections()))
	for _, name := range m.order {
		out.WriteByte('\n')
		if e := m.enums[name]; e != nil {
			writeComment(&out, "", e.about())
			out.WriteString(list(plural(e.name), e.name, e.values))
			continue
		}
		o := m.objects[name]
		writeComment(&out, "", o.doc)
		fmt.Fprintf(&out, "export interface %s ", o.name)
		if len(o.embeds) > 0 {
			fmt.Fprintf(&out, "extends %s ", strings.Join(o.embeds, ", "))
		}
		out.WriteString("{\n")
		for _, f := range o.fields {
			writeComment(&out, "  ", f.doc)
			mark := ""
			if f.optional || f.typ.null {
				mark = "?"
			}
			fmt.Fprintf(&out, "  %s%s: %s\n", f.name, mark, f.typ.typescript())
		}
		out.WriteString("}\n")
	}
	return []byte(out.String())
}

// about is the comment of an enum with those of its values.
func (e *enum) about() string {
	text := e.doc
	for i, value := range e.values {
		if e.docs[i] != "" {
			text += fmt.Sprintf("\n%s: %s.", value, e.docs[i])
		}
	}
	return text
}

func (t typ) typescript() string {
	var text string
	switch t.kind {
	case kindAny:
		text = "unknown"
	case kindText, kindTime:
		text = "string"
	case kindInteger, kindNumber:
		text = "number"
	case kindBool:
		text = "boolean"
	case kindRef:
		text = t.ref
	case kindList:
		text = t.of.typescript() + "[]"
	case kindMap:
		text = "Keyed<" + t.of.typescript() + ">"
		if t.key != "" {
			text = "Partial<Record<" + t.key + ", " + t.of.typescript() + ">>"
		}
	}
	if t.null {
		return "Maybe<" + text + ">"
	}
	return text
}

const lineWidth = 120

// list is an array of texts and the type of one of them, laid out as prettier does.
func list(array, typ string, values []string) string {
	line := fmt.Sprintf("export const %s = ['%s'] as const\n", array, strings.Join(values, "', '"))
	if len(line) > lineWidth {
		line = fmt.Sprintf("export const %s = [\n  '%s',\n] as const\n", array, strings.Join(values, "',\n  '"))
	}
	return line + fmt.Sprintf("export type %s = (typeof %s)[number]\n", typ, array)
}

// plural is the name of a variable that holds all values of a type.
func plural(name string) string {
	name = string(unicode.ToLower(rune(name[0]))) + name[1:]
	if stem, ok := strings.CutSuffix(name, "y"); ok {
		return stem + "ies"
	}
	if strings.HasSuffix(name, "s") {
		return name + "es"
	}
	return name + "s"
}

func writeComment(out *strings.Builder, indent, text string) {
	if text == "" {
		return
	}
	line := fmt.Sprintf("%s/** %s */\n", indent, text)
	if len([]rune(line)) <= lineWidth+1 && !strings.Contains(text, "\n") {
		out.WriteString(line)
		return
	}
	fmt.Fprintf(out, "%s/**\n", indent)
	for paragraph := range strings.SplitSeq(text, "\n") {
		for _, line := range wrap(paragraph, lineWidth-len(indent)-len(" * ")) {
			out.WriteString(strings.TrimRight(indent+" * "+line, " ") + "\n")
		}
	}
	fmt.Fprintf(out, "%s */\n", indent)
}

// wrap breaks a text into lines of at most width characters.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) > width:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
