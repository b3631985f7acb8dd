package cards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/snapshot"
)

// a fixture is a keeper that runs until the test ends.
type fixture struct {
	*Keeper
	follows bool // at the beginning
	lead    atomic.Bool
	shown   *document.Document
	changed atomic.Int64
	log     log
}

// log is what was logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run runs a keeper within a bubble; the function returned stops it.
func run(t *testing.T, f *fixture, cards ...Card) (stop func()) {
	t.Helper()
	f.lead.Store(!f.follows)
	f.Keeper = New(Options{
		Lead: f.lead.Load, Shown: func() *document.Document { return f.shown }, Changed: func() { f.changed.Add(1) },
		Log: slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	f.Set(cards)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { f.Run(ctx); close(over) }()
	return func() { cancel(); <-over }
}

// card is one that is collected every 10 s within 2 s.
func card(name string, collect func(ctx context.Context) (document.OwnValue, error)) Card {
	return Card{Name: name, Title: name, Place: "overview", Show: document.ShowNumber, Definition: "1", Mark: "1", Every: 10 * time.Second, Timeout: 2 * time.Second, Collect: collect}
}

func number(n float64) document.OwnValue { return document.OwnValue{Number: &n} }

// counting returns 1, 2, 3 and so on.
func counting() func(context.Context) (document.OwnValue, error) {
	var n atomic.Int64
	return func(context.Context) (document.OwnValue, error) { return number(float64(n.Add(1))), nil }
}

func figure(s document.OwnSection) float64 {
	if s.Value == nil || s.Value.Number == nil {
		return math.NaN()
	}
	return *s.Value.Number
}

func TestEachCardFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := map[string]struct {
			collect func(ctx context.Context) (document.OwnValue, error)
			says    string
		}{
			"hangs": {func(ctx context.Context) (document.OwnValue, error) {
				<-ctx.Done()
				return document.OwnValue{}, ctx.Err()
			}, "no answer within 2s"},
			"says why": {func(ctx context.Context) (document.OwnValue, error) {
				<-ctx.Done()
				return document.OwnValue{}, errors.New("the server is slow")
			}, "the server is slow"},
			"fails": {func(context.Context) (document.OwnValue, error) {
				return document.OwnValue{}, errors.New("exit status 3")
			}, "exit status 3"},
			"floods": {func(context.Context) (document.OwnValue, error) {
				return document.OwnValue{Text: strings.Repeat("x", 10<<20)}, nil
			}, "at most 8192"},
			"nan":    {func(context.Context) (document.OwnValue, error) { return number(math.NaN()), nil }, "cannot be shown"},
			"panics": {func(context.Context) (document.OwnValue, error) { panic("no") }, "it panicked: no"},
			"exits":  {func(context.Context) (document.OwnValue, error) { runtime.Goexit(); return document.OwnValue{}, nil }, "without an answer"},
		}
		list := []Card{card("good", counting())}
		for name, b := range bad {
			calls := 0
			list = append(list, card(name, func(ctx context.Context) (document.OwnValue, error) {
				if calls++; calls == 1 || calls == 4 {
					return number(7), nil
				}
				return b.collect(ctx)
			}))
		}
		f := &fixture{}
		begun := time.Now()
		defer run(t, f, list...)()

		synctest.Wait()
		for name, s := range f.Own().Items {
			if s.Value == nil || s.Error != nil || s.AsOf == nil || !s.AsOf.Equal(begun.UTC()) || s.FailingSince != nil {
				t.Errorf("%s begins as %+v", name, s)
			}
		}
		time.Sleep(25 * time.Second) // the second and the third attempt
		synctest.Wait()
		own := f.Own().Items
		if got := own["good"]; figure(got) != 3 || got.Error != nil || !got.AsOf.Equal(begun.Add(20*time.Second).UTC()) {
			t.Errorf("the good one is %+v", got)
		}
		for name, b := range bad {
			s := own[name]
			if s.Error == nil || !strings.Contains(*s.Error, b.says) {
				t.Errorf("%s says %v, want %q", name, s.Error, b.says)
				continue
			}
			if figure(s) != 7 || !s.AsOf.Equal(begun.UTC()) || !s.FailingSince.Equal(begun.Add(10*time.Second).UTC()) {
				t.Errorf("%s keeps %v of %v, fails since %v", name, figure(s), s.AsOf, s.FailingSince)
			}
		}
		if n := strings.Count(f.log.String(), "cannot be collected"); n != len(bad) {
			t.Errorf("%d failures of %d cards are logged:\n%s", n, len(bad), f.log.String())
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for name, s := range f.Own().Items {
			if s.Error != nil || s.FailingSince != nil || !s.AsOf.Equal(begun.Add(30*time.Second).UTC()) {
				t.Errorf("%s works again, and is %+v", name, s)
			}
		}
		if n := strings.Count(f.log.String(), "collected again"); n != len(bad) {
			t.Errorf("that %d of %d cards work again is logged:\n%s", n, len(bad), f.log.String())
		}
		if n, want := f.changed.Load(), int64(len(list)+2*len(bad)); n != want {
			t.Errorf("changes were reported %d times, want %d", n, want)
		}
	})
}

func TestACardThatIgnoresItsDeadlineIsNotCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, calls := make(chan struct{}), atomic.Int64{}
		f := &fixture{}
		stop := run(t, f, card("stubborn", func(context.Context) (document.OwnValue, error) {
			calls.Add(1)
			<-release
			return number(1), nil
		}), card("good", counting()))
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		own := f.Own().Items
		if s := own["stubborn"]; calls.Load() != 1 || s.Error == nil || *s.Error != "no answer within 2s" || s.Value != nil || s.AsOf != nil {
			t.Errorf("after %d calls it is %+v", calls.Load(), s)
		}
		if figure(own["good"]) != 7 {
			t.Errorf("the good one was collected %v times", figure(own["good"]))
		}
		begun := time.Now()
		stop() // although one does not return
		if took := time.Since(begun); took != stopTimeout {
			t.Errorf("the end took %v", took)
		}
		close(release)
	})
}

func TestOnlyTheLeaderCollects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(-time.Hour).UTC()
		shown := func(definition string) document.OwnSection {
			value := number(100)
			return document.OwnSection{Value: &value, AsOf: &at, Definition: definition}
		}
		failing := func(context.Context) (document.OwnValue, error) { return document.OwnValue{}, errors.New("no") }
		f := &fixture{follows: true, shown: &document.Document{Own: &document.Own{Items: map[string]document.OwnSection{"same": shown("1"), "other": shown("0"), "good": shown("1")}}}}
		defer run(t, f, card("same", failing), card("other", failing), card("good", counting()))()
		time.Sleep(time.Minute)
		synctest.Wait()
		for name, s := range f.Own().Items {
			if s.TookMS != nil || s.Value != nil {
				t.Errorf("a follower collected %s: %+v", name, s)
			}
		}
		f.lead.Store(true)
		time.Sleep(leadEvery)
		synctest.Wait()
		own := f.Own().Items
		if s := own["same"]; figure(s) != 100 || !s.AsOf.Equal(at) || s.Error == nil {
			t.Errorf("a value that was shown is %+v", s)
		}
		if s := own["other"]; s.Value != nil || s.AsOf != nil || s.Error == nil {
			t.Errorf("the value of another definition is %+v", s)
		}
		if s := own["good"]; figure(s) != 1 || s.Error != nil {
			t.Errorf("a new leader has not collected at once: %+v", s)
		}
		f.lead.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := f.Own().Items["good"]; figure(s) != 1 {
			t.Errorf("who leads no more still collects: %+v", s)
		}
	})
}

func TestSetReplacesWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := atomic.Int64{}
		slow := func(ctx context.Context) (document.OwnValue, error) {
			<-ctx.Done()
			ended.Add(1)
			return number(0), nil
		}
		f := &fixture{}
		kept, gone, changed := card("kept", counting()), card("gone", slow), card("changed", slow)
		defer run(t, f, gone, changed, kept)()
		time.Sleep(time.Second)
		changed.Definition, changed.Collect = "2", counting()
		kept.Title = "Another title"
		f.Set([]Card{kept, changed})
		synctest.Wait()
		own := f.Own().Items
		if ended.Load() != 2 || len(own) != 2 {
			t.Errorf("%d attempts ended; there are %v", ended.Load(), own)
		}
		if s := own["kept"]; figure(s) != 1 || s.Title != "Another title" || s.Order != 0 {
			t.Errorf("what stays is %+v", s)
		}
		if s := own["changed"]; figure(s) != 1 || s.Error != nil || s.Order != 1 {
			t.Errorf("what changed is %+v", s)
		}
		if text := f.log.String(); text != "" {
			t.Errorf("a reload is no failure: %s", text)
		}
	})
}

func TestWhatNotEverybodyMaySeeIsNotInTheDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := card("secret", func(context.Context) (document.OwnValue, error) {
			return document.OwnValue{Text: "secret", Level: document.OwnBad}, nil
		})
		fails := card("fails", func(context.Context) (document.OwnValue, error) { return document.OwnValue{}, errors.New("secret") })
		secret.Role, fails.Role = document.OwnAdmin, document.OwnOperator
		f := &fixture{}
		defer run(t, f, secret, fails)()
		synctest.Wait()
		own := f.Own().Items
		if s := own["secret"]; s.Value != nil || s.AsOf == nil || s.Role != document.OwnAdmin || s.Error != nil {
			t.Errorf("it is %+v", s)
		}
		if s := own["fails"]; s.Role != document.OwnOperator || s.Error == nil || strings.Contains(*s.Error, "secret") {
			t.Errorf("it is %+v", s)
		}
	})
}

// The document is as quick, and as healthy, whatever the cards do.
func TestTheDocumentDoesNotWaitForCards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{}
		var list []Card
		for i := range 20 {
			list = append(list, card(fmt.Sprint("hangs", i), func(ctx context.Context) (document.OwnValue, error) {
				<-ctx.Done()
				return document.OwnValue{}, ctx.Err()
			}))
		}
		defer run(t, f, list...)()
		synctest.Wait()
		panel, err := snapshot.Open(t.Context(), snapshot.Options{Sections: []snapshot.Section{
			{Name: "own", Collect: func(context.Context) (any, error) { return f.Own(), nil }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := panel.Refresh(t.Context()); err != nil || time.Since(begun) > 0 {
			t.Errorf("it took %v, %v", time.Since(begun), err)
		}
		doc, err := document.Parse(panel.Current().JSON)
		if err != nil || len(doc.Own.Items) != 20 || doc.Meta.Sections["own"].Error != nil {
			t.Errorf("%v: %s", err, panel.Current().JSON)
		}
	})
}
