package jsonpatch_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/agentos/agentos/snapshot/internal/jsonpatch"
)

// The examples of RFC 7396, appendix A, whose document and patch are objects.
func TestApplyDoesWhatTheRFCSays(t *testing.T) {
	cases := []struct{ doc, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{` { "a" : 1.0 } `, "{\n}", `{"a":1.0}`},
	}
	for _, c := range cases {
		got, err := jsonpatch.Apply([]byte(c.doc), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("Apply(%s, %s) = %s, %v; want %s", c.doc, c.patch, got, err, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	cases := []struct{ name, from, to, want string }{
		{"nothing", `{"a":{"b":1}}`, `{"a":{"b":1}}`, `{}`},
		{"order of members", `{"a":1,"b":2}`, `{"b":2,"a":1}`, `{}`},
		{"changed, added, removed", `{"a":1,"b":2}`, `{"a":3,"c":4}`, `{"a":3,"c":4,"b":null}`},
		{"deep", `{"a":{"x":{"n":1,"m":2}}}`, `{"a":{"x":{"n":1,"m":3}}}`, `{"a":{"x":{"m":3}}}`},
		{"to null", `{"a":{"b":1}}`, `{"a":{"b":null}}`, `{"a":{"b":null}}`},
		{"from null", `{"a":null}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{"null to absent", `{"a":null}`, `{}`, `{}`},
		{"absent to null", `{}`, `{"a":null}`, `{}`},
		{"new object with nulls", `{}`, `{"a":{"b":null,"c":{"d":null,"e":1}}}`, `{"a":{"c":{"e":1}}}`},
		{"scalar to object of nulls", `{"a":1}`, `{"a":{"b":null}}`, `{"a":{}}`},
		{"object to scalar", `{"a":{"b":1}}`, `{"a":1}`, `{"a":1}`},
		{"object emptied", `{"a":{"b":1}}`, `{"a":{}}`, `{"a":{"b":null}}`},
		{"array", `{"a":[1,2]}`, `{"a":[1,null,{"b":null}]}`, `{"a":[1,null,{"b":null}]}`},
		{"every digit", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, `{"a":12345678901234567891}`},
		{"small number", `{"a":1}`, `{"a":1e-400}`, `{"a":1e-400}`},
		{"key with escapes", `{"\u0061":1}`, `{"a":1}`, `{}`},
		{"key twice", `{"a":1}`, `{"a":2,"a":1}`, `{}`},
		{"empty key", `{"":1}`, `{"":2}`, `{"":2}`},
		{"key in quotes", `{}`, `{"\"}{":1}`, `{"\"}{":1}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := jsonpatch.Diff([]byte(c.from), []byte(c.to))
			if err != nil || string(got) != c.want {
				t.Errorf("Diff(%s, %s) = %s, %v; want %s", c.from, c.to, got, err, c.want)
			}
		})
	}
}

func TestPatchRefusesWhatIsNoObject(t *testing.T) {
	for _, bad := range []string{``, ` `, `1`, `[]`, `null`, `{`, `{"a":}`, `{} {}`, strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100)} {
		if _, err := jsonpatch.Diff([]byte(bad), []byte(`{}`)); err == nil {
			t.Errorf("Diff(%.20s, {}) = nil", bad)
		}
		if _, err := jsonpatch.Diff([]byte(`{}`), []byte(bad)); err == nil {
			t.Errorf("Diff({}, %.20s) = nil", bad)
		}
		if _, err := jsonpatch.Apply([]byte(bad), []byte(`{}`)); err == nil {
			t.Errorf("Apply(%.20s, {}) = nil", bad)
		}
	}
}

// Random documents: applying the difference leads where it should.
func TestApplyUndoesDiff(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		checkPatch(t, randomObject(random, 4), randomObject(random, 4))
	}
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":null}}`, `{"a":{"b":null},"b":{"c":[null,1e999]}}`)
	f.Add(`{"a":{"b":1}}`, `{"a":null}`)
	f.Add(`{"\u0061":"\ud800"}`, `{"a":"\\\"}"}`)
	f.Add(` {"a" : [ "x" , { } ] , "" : -0.0 }`, `{"":{}}`)
	f.Fuzz(func(t *testing.T, from, to string) {
		if isDocument(from) && isDocument(to) {
			checkPatch(t, from, to)
		} else if _, err := jsonpatch.Diff([]byte(from), []byte(to)); err == nil {
			t.Errorf("Diff(%q, %q) took what is no object", from, to)
		}
	})
}

// isDocument is a second opinion on what Diff accepts.
func isDocument(text string) bool {
	text = strings.TrimSpace(text)
	if !json.Valid([]byte(text)) || !strings.HasPrefix(text, "{") {
		return false
	}
	depth := 0
	for decoder := json.NewDecoder(strings.NewReader(text)); ; {
		token, err := decoder.Token()
		if err != nil {
			return true
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > 64 {
			return false
		}
	}
}

// checkPatch compares Diff and Apply with the RFC's own algorithm on decoded values.
func checkPatch(t *testing.T, from, to string) {
	t.Helper()
	patch, err := jsonpatch.Diff([]byte(from), []byte(to))
	if err != nil {
		t.Fatalf("Diff(%q, %q) = %v", from, to, err)
	}
	result, err := jsonpatch.Apply([]byte(from), patch)
	if err != nil {
		t.Fatalf("Apply(%q, %q) = %v", from, patch, err)
	}
	want := bare(decodeExact(t, to))
	if got := bare(decodeExact(t, string(result))); !reflect.DeepEqual(got, want) {
		t.Errorf("from %s to %s: the patch %s leads to %s", from, to, patch, result)
	}
	reference := mergePatch(decodeExact(t, from), decodeExact(t, string(patch)))
	if got := decodeExact(t, string(result)); !reflect.DeepEqual(got, reference) {
		t.Errorf("Apply(%s, %s) = %s, the RFC's algorithm says %v", from, patch, result, reference)
	}
	if same, err := jsonpatch.Diff([]byte(to), []byte(to)); err != nil || string(same) != "{}" {
		t.Errorf("Diff of %s with itself = %s, %v", to, same, err)
	}
	applied, err := jsonpatch.Apply([]byte(from), []byte(to)) // any document is a patch too
	if err != nil || !reflect.DeepEqual(decodeExact(t, string(applied)), mergePatch(decodeExact(t, from), decodeExact(t, to))) {
		t.Errorf("Apply(%s, %s) = %s, %v", from, to, applied, err)
	}
}

// decodeExact decodes with numbers as they are written.
func decodeExact(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// bare is a value without the null members of its objects, but for those within arrays.
func bare(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	for key, member := range object {
		if member == nil {
			delete(object, key)
		} else {
			object[key] = bare(member)
		}
	}
	return object
}

// mergePatch is the pseudocode of RFC 7396, section 2.
func mergePatch(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any)
	}
	for name, value := range members {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = mergePatch(object[name], value)
		}
	}
	return object
}

func randomObject(r *rand.Rand, depth int) string {
	var members []string
	for range r.IntN(5) {
		members = append(members, strconv.Quote(string(rune('a'+r.IntN(5))))+":"+randomValue(r, depth-1))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func randomValue(r *rand.Rand, depth int) string {
	switch n := r.IntN(8); {
	case n < 3 && depth > 0:
		return randomObject(r, depth)
	case n == 3 && depth > 0:
		return "[" + randomValue(r, depth-1) + "," + randomValue(r, depth-1) + "]"
	case n == 4:
		return "null"
	case n == 5:
		return strconv.Itoa(r.IntN(3))
	case n == 6:
		return []string{"true", "false"}[r.IntN(2)]
	}
	return strconv.Quote([]string{"", "x", "null", `"`, "{}", "ü\u2028"}[r.IntN(6)])
}

// What a consumer of the stream does with a patch event.
func ExampleApply() {
	doc := []byte(`{"orders":{"open":12,"late":1}}`)
	patch := []byte(`{"orders":{"open":13,"late":null}}`)
	doc, err := jsonpatch.Apply(doc, patch)
	fmt.Println(string(doc), err)
	// Output: {"orders":{"open":13}} <nil>
}
