package fingerprint

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var slots = []string{
	"log", "n", "line", "dir", "tmp", "word", "uuid", "hex", "addr", "time", "iso", "byte", "ip", "port", "host", "email", "url", "id", "token", "dur", "size",
}

// filler makes values for the slots of a shape.
type filler struct{ *rand.Rand }

func newFiller(seed uint64) filler { return filler{rand.New(rand.NewPCG(seed, 7))} }

func of[T any](f filler, list ...T) T { return list[f.IntN(len(list))] }

func (f filler) digits(alphabet string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(alphabet[f.IntN(len(alphabet))])
	}
	return b.String()
}

func (f filler) hex(n int) string {
	text := f.digits("0123456789abcdef", n-1)
	return text + f.digits("0123456789", 1) // one of letters alone might be a word
}

func (f filler) at() time.Time {
	return time.Unix(1_700_000_000+f.Int64N(100_000_000), f.Int64N(1_000_000_000)).UTC()
}

// one fills one of several forms.
func (f filler) one(forms ...string) string { return f.fill(of(f, forms...)) }

func (f filler) value(name string) string {
	switch name {
	case "log":
		var b strings.Builder
		for range f.IntN(5) {
			b.WriteString(f.one("{iso} INFO read {tmp} took {dur}\n", "{iso} INFO GET {url} took {dur}\n", "{iso} INFO step {n} took {dur}\n"))
		}
		return b.String()
	case "n":
		return strconv.Itoa(2 + f.IntN(of(f, 9, 100, 10_000_000)))
	case "line":
		return strconv.Itoa(1 + f.IntN(3000))
	case "dir":
		return f.one("/srv/agents", "/app", "/home/{word}/agents", "/tmp/build-{hex}", "/opt/agents-1.{n}.0", "/var/lib/agentos/work/{uuid}")
	case "tmp":
		return f.one("/tmp/tmp{word}/data.part", "/var/tmp/{hex}/x.part", "/tmp/agent-{port}/{uuid}.part")
	case "word":
		return f.digits("abcdefghijklmnopqrstuvwxyz", 3+f.IntN(10))
	case "uuid":
		return f.hex(8) + "-" + f.hex(4) + "-" + f.hex(4) + "-" + f.hex(4) + "-" + f.hex(12)
	case "hex":
		return f.hex(8 + f.IntN(20))
	case "addr":
		return "0x" + f.hex(2+f.IntN(10))
	case "time":
		return f.at().Format(of(f, "2006/01/02 15:04:05", "2006-01-02 15:04:05,000", time.RFC3339, "Jan _2 15:04:05", time.RFC1123, "02/Jan/2006:15:04:05 -0700", "2006-01-02T15:04:05.000000Z"))
	case "iso":
		return f.at().Format(of(f, time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000-07:00"))
	case "byte":
		return strconv.Itoa(1 + f.IntN(254))
	case "ip":
		return f.one("{byte}.{byte}.{byte}.{byte}", "127.0.0.1", "10.0.0.1")
	case "port":
		return strconv.Itoa(1024 + f.IntN(60000))
	case "host":
		return f.one("db-{byte}", "{word}", "api") + f.one(".example.com", ".svc.cluster.local", ".shop.internal", ".eu-west-1.compute.internal", ".example.org")
	case "email":
		return f.one("{word}", "{word}.{word}", "{word}+{byte}") + f.one("@example.com", "@{word}.org", "@{word}.co.uk")
	case "url":
		return f.one("http://", "https://") + f.one("{host}", "{host}:8443", "{ip}:{port}") + f.one("/v1/items/{n}", "/x?id={uuid}", "/{word}/{word}.json", "/a%20b?x=1&y={word}")
	case "id":
		return f.one("job_{port}", "{uuid}", "batch-{hex}")
	case "token":
		return "011" + f.digits("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", 21)
	case "dur":
		return f.one("{byte}ms", "{byte}.{byte}s", "{byte}m{byte}s", "{n} seconds", "1h{byte}m{byte}.5s")
	case "size":
		return f.one("{n} bytes", "{byte}.5 MB", "{byte}KiB")
	}
	panic("no slot " + name)
}

func (f filler) fill(shape string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(shape, '{')
		if at < 0 {
			b.WriteString(shape)
			return b.String()
		}
		b.WriteString(shape[:at])
		shape = shape[at:]
		if name, rest, found := strings.Cut(shape[1:], "}"); found && slices.Contains(slots, name) {
			b.WriteString(f.value(name))
			shape = rest
		} else {
			b.WriteByte('{')
			shape = shape[1:]
		}
	}
}

// shapes are the files of testdata: how failed programs end, with slots where two failures of one cause differ.
func shapes(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d shapes: %v", len(files), err)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".txt")] = string(text)
	}
	return all
}

// Ten thousand failures of one cause are one group, and no group holds two causes.
func TestManyFailuresAreFewGroups(t *testing.T) {
	const failures, mostGroups = 100_000, 60
	all := shapes(t)
	groups := map[string]string{} // the shape of each key
	for name, shape := range all {
		f := newFiller(uint64(len(name)) + uint64(name[0])<<8)
		mine := map[string]string{}
		for range failures/len(all) + 1 {
			text := f.fill(shape)
			p := Of(text, "")
			if other, is := groups[p.Key]; is && other != name {
				t.Fatalf("%s and %s are one group %q\n%s", other, name, p.Why, text)
			}
			if _, known := mine[p.Key]; !known && len(mine) > 0 && len(mine) < 4 {
				t.Errorf("%s: another group %q for\n%s", name, p.Why, text)
			}
			groups[p.Key], mine[p.Key] = name, text
		}
	}
	t.Logf("%d failures of %d shapes are %d groups", failures, len(all), len(groups))
	if len(groups) > mostGroups {
		t.Errorf("%d groups, more than %d", len(groups), mostGroups)
	}
}
