package server

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/agentos/agentos/internal/engine"
)

// ListInput is what each list of the fleet can be asked for.
type ListInput struct {
	Q      string `query:"q" maxLength:"200" doc:"Only those with this text in the name or in another text of the row"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"200"`
	Cursor string `query:"cursor" maxLength:"1000" doc:"From next of the page before"`
}

// maxPageBytes is where a page ends before it has as many rows as asked for.
const maxPageBytes = 512 << 10

// PageInfo says which part of a list this is.
type PageInfo struct {
	Total   int     `json:"total" doc:"How many there are"`
	Matched int     `json:"matched" doc:"How many of them pass the filter, on all pages together"`
	Next    *string `json:"next" doc:"The cursor of the next page; null at the end"`
}

// place is where a row is in its list: by order, then by key. It stays where it was when rows come and go.
type place struct {
	order int64
	key   string
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.order, other.order), cmp.Compare(p.key, other.key))
}

func (p place) String() string { return strconv.FormatInt(p.order, 10) + "." + p.key }

// pageOf returns the rows of a page that pass the filter.
func pageOf[T any](in ListInput, rows []T, at func(i int) place, passes func(i int) bool) (part []T, info PageInfo, err error) {
	var after place
	if in.Cursor != "" {
		order, key, found := strings.Cut(in.Cursor, ".")
		n, err := strconv.ParseInt(order, 10, 64)
		if !found || err != nil {
			return nil, info, engine.ErrorOf(engine.ErrInvalid, "the cursor is not one of this list: leave it out to begin with the first page")
		}
		after = place{n, key}
	}
	var chosen []int
	for i := range rows {
		if passes(i) {
			chosen = append(chosen, i)
		}
	}
	slices.SortFunc(chosen, func(a, b int) int { return at(a).compare(at(b)) })
	info = PageInfo{Total: len(rows), Matched: len(chosen)}
	part = []T{}
	for _, i := range chosen {
		if in.Cursor != "" && at(i).compare(after) <= 0 {
			continue
		}
		if len(part) == max(in.Limit, 1) {
			next := after.String()
			info.Next = &next
			break
		}
		part, after = append(part, rows[i]), at(i)
	}
	return part, info, nil
}

// fitPage ends a page where its bytes are used up.
func fitPage[T any](rows []T, info *PageInfo, at func(row T) place) []T {
	left := maxPageBytes
	for i, row := range rows {
		text, err := json.Marshal(row)
		if err != nil {
			continue // the answer reports why
		}
		if left -= len(text); left < 0 && i > 0 {
			next := at(rows[i-1]).String()
			info.Next = &next
			return rows[:i]
		}
	}
	return rows
}

// has reports whether one of some texts has what is looked for.
func (in ListInput) has(texts ...string) bool {
	wanted := strings.ToLower(strings.TrimSpace(in.Q))
	return wanted == "" || slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), wanted) })
}
