package examples

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHashIsTheFilesSHA256(t *testing.T) {
	b := newWorkbench(t)
	for name, content := range b.putNasty() {
		type hash struct {
			SHA256 string `json:"sha256"`
			Bytes  int    `json:"bytes"`
			Path   string `json:"path"`
		}
		sum := sha256.Sum256([]byte(content))
		want := hash{hex.EncodeToString(sum[:]), len(content), name}
		if diff := cmp.Diff(want, decode[hash](t, b.ok("hash", pathArgs(name)))); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	b.noHarm()
}

func TestCountCounts(t *testing.T) {
	type count struct {
		Lines int    `json:"lines"`
		Words int    `json:"words"`
		Bytes int    `json:"bytes"`
		Path  string `json:"path"`
	}
	b := newWorkbench(t)
	content := b.putNasty()
	content["empty"] = b.put("empty", "")
	content["long"] = b.put("long", strings.Repeat("one two  three\n", 10_000))
	for name, text := range content {
		want := count{strings.Count(text, "\n"), len(strings.Fields(strings.ToValidUTF8(text, ""))), len(text), name}
		if diff := cmp.Diff(want, decode[count](t, b.ok("count", pathArgs(name)))); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestCompressKeepsARightCopy(t *testing.T) {
	type compressed struct {
		Bytes   int    `json:"bytes"`
		Packed  int    `json:"packed_bytes"`
		Percent int    `json:"percent"`
		Copy    string `json:"copy"`
		Path    string `json:"path"`
	}
	b := newWorkbench(t)
	content := b.putNasty()
	content["empty"] = b.put("empty", "")
	content["long"] = b.put("long", strings.Repeat("again and again\n", 10_000))
	for name, text := range content {
		got := decode[compressed](t, b.ok("compress", pathArgs(name)))
		packed, err := os.ReadFile(filepath.Join(b.work("compress"), got.Copy))
		if err != nil {
			t.Fatal(err)
		}
		reader, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(reader); err != nil || string(whole) != text {
			t.Errorf("%q: the copy differs: %v", name, err)
		}
		percent := 100
		if len(text) > 0 {
			percent = len(packed) * 100 / len(text)
		}
		if want := (compressed{len(text), len(packed), percent, got.Copy, name}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestCompressBoundsItsCopies(t *testing.T) {
	b := newWorkbench(t)
	b.put("one", "one")
	b.ok("compress", pathArgs("one"))
	fill := func(count int, size int64) {
		for i := range count {
			path := filepath.Join(b.work("compress"), fmt.Sprintf("%d-%d.gz", i, size))
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Truncate(path, size), os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
	}
	copies := func() (count int, size int64) {
		paths, _ := filepath.Glob(filepath.Join(b.work("compress"), "*"))
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && strings.HasSuffix(path, ".gz") {
				count, size = count+1, size+info.Size()
			}
		}
		return count, size
	}
	fill(60, 10)
	b.ok("compress", pathArgs("one"))
	if count, _ := copies(); count != 40 {
		t.Errorf("%d copies", count)
	}
	fill(6, 8<<20)
	b.ok("compress", pathArgs("one"))
	if count, size := copies(); size > 32<<20 || size < 16<<20 {
		t.Errorf("%d copies of %d bytes", count, size)
	}
}

func TestDuplicatesFindsEqualFiles(t *testing.T) {
	type group struct {
		Bytes int      `json:"bytes"`
		Files []string `json:"files"`
	}
	type duplicates struct {
		Groups   int     `json:"groups"`
		Files    int     `json:"files"`
		Wasted   int     `json:"wasted_bytes"`
		Searched int     `json:"searched"`
		Compared int     `json:"compared"`
		Complete bool    `json:"complete"`
		First    []group `json:"first"`
		Path     string  `json:"path"`
	}
	b := newWorkbench(t)
	for _, name := range []string{"one", " two \"x\" .txt", "sub/\\three"} {
		b.put(name, "same")
	}
	b.put("other", "diff")
	b.put("total", "unique size")
	b.put("empty1", "")
	b.put("empty2", "")
	b.put(".git/copy", "same")
	b.put("node_modules/copy", "same")
	got := decode[duplicates](t, b.ok("duplicates", "{}"))
	for _, g := range got.First {
		slices.Sort(g.Files)
	}
	want := duplicates{
		Groups: 1, Files: 3, Wasted: 8, Searched: 5, Compared: 4, Complete: true, Path: ".",
		First: []group{{4, []string{" two \"x\" .txt", "one", "sub/\\three"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = decode[duplicates](t, b.ok("duplicates", `{"path":"sub","limit":2}`))
	if got.Groups != 0 || got.Searched != 1 || got.Path != "sub" {
		t.Errorf("%+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(b.work("duplicates"), "part*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	b := newWorkbench(t)
	b.put("a.txt", "x")
	for i := range 6 {
		b.job = int64(i * 500)
		b.ok("hash", pathArgs("a.txt"))
		path := filepath.Join(b.work("hash"), fmt.Sprintf("record.%d", i))
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(i-10)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(b.work("hash"), "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if diff := cmp.Diff([]string{"record.3", "record.4", "record.5"}, left); diff != "" {
		t.Error(diff)
	}
}
