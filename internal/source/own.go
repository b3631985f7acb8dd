package source

import (
	"context"
	"maps"
	"slices"
	"sort"

	"github.com/agentos/agentos/internal/document"
)

// own shows what was collected of the file's own sections: it waits for none of them.
func own(d Deps) collectFunc {
	return func(context.Context) (any, error) { return fitOwn(d.Own(), ownBytes-100), nil }
}

// fitOwn makes the sections take no more than so many bytes together: the largest are cut, all to one size, and say so.
func fitOwn(v document.Own, most int) document.Own {
	items := make(map[string]document.OwnSection, len(v.Items))
	sizes := make([]int, 0, len(v.Items))
	for name, s := range v.Items {
		s.Title, s.Place, s.Error = clip(s.Title, 80), clip(s.Place, 32), clipPtr(s.Error, 150)
		if sizeOf(s.Link) > 160 {
			s.Link = "" // half a link leads elsewhere
		}
		items[name] = s
		sizes = append(sizes, rowSize(name, s))
	}
	each := shareOf(sizes, most)
	for _, name := range slices.Sorted(maps.Keys(items)) {
		if s := items[name]; rowSize(name, s) > each {
			items[name] = cutOwn(name, s, each)
		}
	}
	return document.Own{Items: items}
}

// shareOf is the most that one of several may take so that all fit: what small ones leave is for the large ones.
func shareOf(sizes []int, most int) int {
	slices.Sort(sizes)
	for i, size := range sizes {
		each := most / (len(sizes) - i)
		if size > each {
			return each
		}
		most -= size
	}
	return 1 << 30
}

// cutOwn makes a section take no more than so many bytes: its last rows, its first points or the end of its text are left out.
func cutOwn(name string, s document.OwnSection, most int) document.OwnSection {
	if s.Value == nil {
		return s // it is shorter than any share
	}
	full := *s.Value
	without := func(n int) document.OwnSection {
		value := full
		value.Rows, value.Points = full.Rows[:max(0, len(full.Rows)-n)], full.Points[min(n, len(full.Points)):]
		value.More = full.More + len(full.Rows) - len(value.Rows) + len(full.Points) - len(value.Points)
		value.Text, value.Status = clip(full.Text, max(0, sizeOf(full.Text)-n)), clip(full.Status, 100)
		if len(value.Rows) == 0 {
			value.Columns = nil
		}
		value.Cut = true
		cut := s
		cut.Value = &value
		return cut
	}
	longest := max(len(full.Rows), len(full.Points), sizeOf(full.Text))
	return without(sort.Search(longest, func(n int) bool { return rowSize(name, without(n)) <= most }))
}
