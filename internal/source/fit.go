package source

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/agentos/agentos/internal/document"
)

// What each section may take of the document, so that all of them fit whatever the fleet's size: see
// docs/decisions/0120-bounded-sections.md. Lists are filled row by row until their bytes are used up.
const (
	systemBytes    = 12 << 10
	workersBytes   = 14 << 10
	queueBytes     = 14 << 10
	jobsBytes      = 30 << 10
	agentsBytes    = 28 << 10
	analyticsBytes = 12 << 10 // 156 buckets of four numbers, and two windows: it has no lists and no texts
	logsBytes      = 14 << 10
)

// What the file's own sections may take, and what the lists of the others give up for them while the file declares any: the same.
const (
	ownBytes = 16 << 10

	workersYield  = 2 << 10
	queueYield    = 2 << 10
	newestYield   = 1 << 10
	runningYield  = 2 << 10
	failuresYield = 1 << 10
	agentsYield   = 5 << 10
	logsYield     = 3 << 10
)

// yields returns what a list gives up at present.
func (d Deps) yields(bytes int) int {
	if d.Own == nil || len(d.Own().Items) == 0 {
		return 0
	}
	return bytes
}

// clip cuts a text to at most so many bytes as JSON has it, quotes aside: there a quotation mark takes two, and a character that
// must be escaped six.
func clip(text string, most int) string {
	const mark = "…"
	size, cut := 0, 0
	for i, r := range text {
		n := utf8.RuneLen(r)
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
			n = 2
		case r < ' ' || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
			n = 6
		}
		if size+n > most {
			return text[:cut] + mark
		}
		if size += n; size <= most-len(mark) {
			cut = i + utf8.RuneLen(r)
			if r == utf8.RuneError { // a byte that is no character
				_, width := utf8.DecodeRuneInString(text[i:])
				cut = i + width
			}
		}
	}
	return text
}

func clipPtr(text *string, most int) *string {
	if text == nil {
		return nil
	}
	short := clip(*text, most)
	return &short
}

// clipList keeps the first texts of a list that together take no more than so many bytes, each cut to a quarter of them.
func clipList(texts []string, most int) []string {
	if texts == nil {
		return nil
	}
	kept := []string{}
	for _, text := range texts {
		text = clip(text, most/4)
		if most -= sizeOf(text) + 1; most < 0 {
			break
		}
		kept = append(kept, text)
	}
	return kept
}

// sizeOf is how many bytes a value takes in the document.
func sizeOf(value any) int {
	text, err := json.Marshal(value)
	if err != nil {
		return 1 << 30 // the section's own encoding says why
	}
	return len(text)
}

// keyed makes the object that stands for a list in the document, so that a merge patch names only what changed. It takes rows
// until the bytes are used up; one that is far too long alone is left out.
func keyed[R, T any, K comparable](rows []R, room int, describe func(R) T, key func(T) K) map[K]T {
	m := make(map[K]T, len(rows))
	for _, r := range rows {
		row := describe(r)
		size := rowSize(key(row), row)
		if size > room/3 && size > 2<<10 {
			continue
		}
		if room -= size; room < 0 {
			break
		}
		m[key(row)] = row
	}
	return m
}

// rowSize is how many bytes an entry of an object takes.
func rowSize(key, row any) int { return sizeOf(fmt.Sprint(key)) + sizeOf(row) + len(":,") }

// choice chooses which rows of a list that is too long the document shows: the most important ones, and those that it showed
// before, unless something clearly more important has come. It is used by the collections of one section, which never overlap.
type choice struct {
	most  int // rows that are looked at closely
	room  int // bytes of the rows shown
	shown map[string]standing
}

// standing is how important a row was that is shown.
type standing struct {
	rank  int
	until time.Time
}

// keepFor is for how long a row that was important stays so: what runs for a moment must not come and go.
const keepFor = time.Minute

// ranked is a row to choose from. A lower rank is more important.
type ranked struct {
	key  string
	rank int
}

// pick returns the rows to show, the most important first, for fill. Rows of one rank keep their order.
func (c *choice) pick(rows []ranked, now time.Time) []ranked {
	shown := map[string]standing{}
	for i, row := range rows {
		before, was := c.shown[row.key]
		if !was {
			continue
		}
		if row.rank <= before.rank || !now.Before(before.until) {
			before = standing{row.rank, now.Add(keepFor)}
		}
		shown[row.key] = before
		rows[i].rank = before.rank
	}
	c.shown = shown
	slices.SortStableFunc(rows, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(oneIf(c.isShown(b)), oneIf(c.isShown(a))))
	})
	return rows[:min(len(rows), c.most)]
}

func (c *choice) isShown(row ranked) bool {
	_, shown := c.shown[row.key]
	return shown
}

// fill takes rows in the order of pick until their bytes are used up. A tenth of these is for rows that were shown before, so
// that one that grew does not push another out.
func fill[T any](c *choice, picked []ranked, now time.Time, row func(key string) T) map[string]T {
	items, used := make(map[string]T, len(picked)), 0
	shown := map[string]standing{}
	for _, p := range picked {
		room := c.room
		before, was := c.shown[p.key]
		if !was {
			room -= c.room / 10
			before = standing{p.rank, now.Add(keepFor)}
		}
		value := row(p.key)
		size := rowSize(p.key, value)
		if used+size > room {
			continue // a shorter one may fit
		}
		used += size
		items[p.key], shown[p.key] = value, before
	}
	c.shown = shown
	return items
}

// places puts rows that were chosen from many in order: those that need attention first, by rank, then as they are.
func places(picked []ranked, attention int) map[string]int {
	at := map[string]int{}
	for _, p := range picked {
		if p.rank <= attention {
			at[p.key] = p.rank
			continue
		}
		at[p.key] = attention + 1
	}
	return at
}

// behind is further back than any row.
const behind = 1_000_000

// clipSystem bounds the texts of the section.
func clipSystem(v *document.System) {
	v.Reasons = clipList(v.Reasons, 3<<10)
	v.Host, v.Version = clip(v.Host, 200), clip(v.Version, 100)
	parts := make(map[string]document.Component, len(v.Components))
	for name, h := range v.Components {
		h.Detail = clip(h.Detail, 400)
		parts[name] = h
	}
	v.Components = parts
	missing := make(map[document.Capability]document.Missing, len(v.Engine.Missing))
	for what, m := range v.Engine.Missing {
		m.Why = clip(m.Why, 160)
		missing[what] = m
	}
	v.Engine.Missing = missing
	if v.Attached != nil {
		a := *v.Attached
		a.Database, a.Schema, a.Error = clip(a.Database, 300), clip(a.Schema, 100), clipPtr(a.Error, 400)
		a.Missing = clipList(a.Missing, 2<<10)
		v.Attached = &a
	}
}
