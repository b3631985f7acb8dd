package cli

import (
	"bytes"
	"testing"
)

func TestTerminalGetsNoControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünï 😀\tx\n":                        "plain ünï 😀\tx\n",
		"\x1b[31mred\x1b]0;title\a\x1b[2J":        "\uFFFD[31mred\uFFFD]0;title\uFFFD\uFFFD[2J",
		"over\rwritten, a line\r\nanother":        "over\uFFFDwritten, a line\nanother",
		"c1 \u009b31m del \x7f nul \x00":          "c1 \uFFFD31m del \uFFFD nul \uFFFD",
		"raw \x9b31m":                             "raw \uFFFD31m",
		"evil \u202egnp.exe \u2066x\u2069 \u2028": "evil \uFFFDgnp.exe \uFFFDx\uFFFD \uFFFD",
		"": "",
	} {
		var out bytes.Buffer
		if n, err := (terminal{&out}).Write([]byte(in)); n != len(in) || err != nil {
			t.Errorf("%q: %d, %v", in, n, err)
		}
		if out.String() != want {
			t.Errorf("%q became %q, want %q", in, out.String(), want)
		}
	}
}
