package engine

import "testing"

func TestANumberIsAnIDInOneFormOnly(t *testing.T) {
	for _, id := range []ID{"1", "17", "9223372036854775807"} {
		if n, ok := id.Number(); !ok || NumberID(n) != id {
			t.Errorf("%s is the number %d, %v", id, n, ok)
		}
	}
	for _, id := range []ID{"", "0", "-1", "+1", "017", " 17", "17 ", "1e3", "0x11", "９", "9223372036854775808", "default/17", "a"} {
		if n, ok := id.Number(); ok {
			t.Errorf("%q is taken for the number %d", id, n)
		}
	}
}

func TestAnIDIsReadFromNumbersAndTexts(t *testing.T) {
	for _, from := range []any{int64(17), "17"} {
		var id ID
		if err := id.Scan(from); err != nil || id != "17" {
			t.Errorf("%T: %q, %v", from, id, err)
		}
	}
	for _, from := range []any{nil, 1.5, true} {
		var id ID
		if err := id.Scan(from); err == nil {
			t.Errorf("%v is taken for an id", from)
		}
	}
}
