package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot/link"
)

// largest are n sections with everything as long as it may be.
func largest(n int) document.Own {
	own := document.Own{Items: map[string]document.OwnSection{}}
	for i := range n {
		at, took, text := fixedTime, 59999.123, nasty(1000)
		s := document.OwnSection{
			Order: i, Title: nasty(1000), Place: nasty(100), Show: document.ShowTable, Link: "https://example.org/" + strings.Repeat("x", 1000), Role: document.OwnOperator,
			EveryS: 86400, AsOf: &at, TookMS: &took, Error: &text, FailingSince: &at, Definition: "0123abcd", Value: &document.OwnValue{},
		}
		switch i % 3 {
		case 0:
			s.Value.Columns = []document.OwnColumn{{Label: "When"}, {Label: "What"}}
			for j := range 50 {
				s.Value.Rows = append(s.Value.Rows, []any{j, nasty(12)})
			}
		case 1:
			for j := range 100 {
				value := float64(j)
				s.Value.Points = append(s.Value.Points, document.OwnPoint{At: fixedTime.Add(time.Duration(j) * time.Minute), Value: &value})
			}
		case 2:
			s.Value.Text, s.Value.Status = nasty(700), nasty(100)
		}
		own.Items[fmt.Sprintf("%02d-%s", i, strings.Repeat("x", 60))] = s
	}
	return own
}

func TestOwnSectionsFitTogether(t *testing.T) {
	for n := 1; n <= 20; n++ {
		given := largest(n)
		whole, _ := json.Marshal(given)
		got := fitOwn(given, ownBytes-100)
		text, err := json.Marshal(got)
		if err != nil || len(text) > ownBytes || len(got.Items) != n {
			t.Errorf("%d sections of %d bytes become %d of %d bytes, %v", n, len(whole), len(got.Items), len(text), err)
		}
		if n > 3 && len(text) < ownBytes*3/4 {
			t.Errorf("%d sections take only %d bytes", n, len(text))
		}
		for name, s := range got.Items {
			before := given.Items[name].Value
			if lost := len(before.Rows) - len(s.Value.Rows) + len(before.Points) - len(s.Value.Points); s.Value.More != lost {
				t.Errorf("%d of %d rows are left, and %d said to be cut", len(s.Value.Rows), len(before.Rows), s.Value.More)
			}
			if n := len(s.Value.Points); n > 0 && *s.Value.Points[n-1].Value != 99 {
				t.Error("the newest points are cut")
			}
			if cut := len(before.Rows) != len(s.Value.Rows) || len(before.Points) != len(s.Value.Points) || before.Text != s.Value.Text; cut != s.Value.Cut {
				t.Errorf("cut: %v, it says %v", cut, s.Value.Cut)
			}
		}
	}
}

// One that is large costs the small ones nothing.
func TestOnlyTheLargestIsCut(t *testing.T) {
	given := largest(1)
	for i := range 19 {
		n := float64(i)
		given.Items[fmt.Sprint("small", i)] = document.OwnSection{Order: i + 1, Title: "Small", Show: document.ShowNumber, Value: &document.OwnValue{Number: &n}}
	}
	for name, s := range given.Items {
		if !strings.HasPrefix(name, "small") {
			for range 6 {
				s.Value.Rows = append(s.Value.Rows, s.Value.Rows...)
			}
		}
	}
	for name, s := range fitOwn(given, ownBytes-100).Items {
		if large := !strings.HasPrefix(name, "small"); s.Value.Cut != large || large && sizeOf(s) < 8<<10 {
			t.Errorf("%s has %d bytes, cut: %v", name, sizeOf(s), s.Value.Cut)
		}
	}
}

// What the own sections may take, the others give up.
func TestListsYieldToOwnSections(t *testing.T) {
	d := Deps{Fleet: func() Fleet { return Fleet{Fleet: &agent.Fleet{}} }, Own: func() document.Own { return document.Own{} }}
	declared := d
	declared.Own = func() document.Own { return largest(1) }
	sum := 0
	for _, most := range []int{workersYield, queueYield, newestYield, runningYield, failuresYield, agentsYield, logsYield} {
		if declared.yields(most) != most || d.yields(most) != 0 || (Deps{}).yields(most) != 0 {
			t.Errorf("a list gives up %d and %d", declared.yields(most), d.yields(most))
		}
		sum += declared.yields(most)
	}
	shares := 0
	for _, s := range All(declared) {
		shares += s.MaxBytes
	}
	if left := link.DefaultMaxBytes - (shares - sum); left < 4<<10 {
		t.Errorf("%d bytes are left for the document's own keys and its meta", left)
	}
}
