package alert

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// update writes the table of fields into the documentation: go test ./internal/alert -run TestDocs -update.
var update = flag.Bool("update", false, "write what the tests generate")

const docs = "../../docs/alerts.md"

// listedField is a field that a rule can read.
type listedField struct {
	path   string
	is     typ
	goType reflect.Type
	owner  string // the struct that it is a field of
}

// fields lists what can be read from a struct on, with <name> for the name of an item.
func fields(root reflect.Type) []listedField {
	var all []listedField
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for _, p := range properties(t) {
			f := listedField{prefix + p.name, p.is, t.Field(p.index).Type, t.Name()}
			is, path := p.is, f.path
			if is.kind != kindObject {
				all = append(all, f)
			}
			if is.kind == kindMap {
				is, path = *is.elem, path+`.<name>`
			} else if is.kind == kindList {
				continue
			}
			if is.kind == kindObject {
				walk(path+".", is.of)
			}
		}
	}
	walk("", root)
	return all
}

// described reads the sentences of the document's schema, by struct and field.
func described(t *testing.T) func(owner, field string) string {
	t.Helper()
	data, err := os.ReadFile("../../docs/document.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]struct{ Description string }
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Defs["Document"], schema.Defs["Section"] = schema.object, schema.Defs["SectionMeta"]
	return func(owner, field string) string { return schema.Defs[owner].Properties[field].Description }
}

// The documentation lists no field that is not there, or is of another type. One that came later is only noted.
func TestDocsListTheFields(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- fields: written by go test ./internal/alert -run TestDocs -update -->\n", "<!-- end of fields -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	listed, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the fields", docs)
	}
	tables := fieldTables(described(t))
	if *update {
		if err := os.WriteFile(docs, []byte(before+begin+tables+"\n"+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	there, noted := fieldRows(tables), fieldRows(listed)
	if len(noted) < 100 {
		t.Errorf("%s lists only %d fields", docs, len(noted))
	}
	for path, kind := range noted {
		if there[path] != kind {
			t.Errorf("%s says that %s is %q, and it is %q: run go test ./internal/alert -run TestDocs -update", docs, path, kind, there[path])
		}
	}
	for path := range there {
		if _, ok := noted[path]; !ok {
			t.Logf("%s does not list %s yet: run go test ./internal/alert -run TestDocs -update", docs, path)
		}
	}
}

// fieldRows reads the type of each field from the tables.
func fieldRows(tables string) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(tables) {
		if cells := strings.SplitN(line, "|", 4); len(cells) == 4 && strings.HasPrefix(cells[1], " `") {
			rows[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2])
		}
	}
	return rows
}

// fieldTables writes the tables of the documentation.
func fieldTables(about func(owner, field string) string) string {
	var b strings.Builder
	table := func(title, prefix string, list []listedField) {
		fmt.Fprintf(&b, "\n### %s\n\n| Field | Type | What it is |\n|---|---|---|\n", title)
		for _, f := range list {
			kind := strings.TrimPrefix(strings.TrimPrefix(kindNames[f.is.kind], "a "), "an ")
			if f.is.enum != nil {
				kind = strings.Join(f.is.enum, ", ")
			}
			name := f.path[strings.LastIndexByte(f.path, '.')+1:]
			fmt.Fprintf(&b, "| `%s%s` | %s | %s |\n", prefix, f.path, kind, strings.ReplaceAll(about(f.owner, name), "|", "\\|"))
		}
	}
	for _, per := range slices.Sorted(maps.Keys(items)) {
		table("In a rule with `per: "+string(per)+"`", string(per)+".", fields(items[per]))
	}
	table("In every rule", "", fields(documentType))
	return b.String()
}
