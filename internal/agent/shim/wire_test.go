package shim

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnOrderArrives(t *testing.T) {
	for name, want := range map[string]Order{
		"empty": {},
		"full": {
			Program: "/bin/sh", Argv: []string{"sh", "", "-c", "echo \x00\xff"}, Env: []string{"A=1", "B="}, Dir: "/tmp",
			Grace: 5, Fence: 1 << 40, Name: "näme",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var pipe bytes.Buffer
			if err := WriteOrder(&pipe, want); err != nil {
				t.Fatal(err)
			}
			got, err := ReadOrder(&pipe)
			if diff := cmp.Diff(want, got, cmp.Transformer("", func(l []string) string { return strings.Join(l, "|") })); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestAReportArrives(t *testing.T) {
	for _, want := range []Report{
		{Step: Started, PID: 4_000_000},
		{Step: Failed, Errno: 2},
		{Step: Failed, Error: "why"},
		{Step: Ended, Code: -1, Signal: 9, Stopped: true},
		{Step: Ended, Code: 255, Stopped: true, Fenced: true},
		{Step: Swept, Left: 3},
	} {
		var pipe bytes.Buffer
		if err := WriteReport(&pipe, want); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadReport(&pipe); got != want || err != nil || pipe.Len() > 0 {
			t.Errorf("%+v came as %+v, %v", want, got, err)
		}
	}
}

func FuzzReadOrder(f *testing.F) {
	var whole bytes.Buffer
	if err := WriteOrder(&whole, Order{Program: "p", Argv: []string{"a"}, Env: []string{"E=1"}, Name: "n"}); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = ReadOrder(bytes.NewReader(data))
		_, _ = ReadReport(bytes.NewReader(data))
	})
}
