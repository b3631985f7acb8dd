package main

import (
	"strings"
	"unicode/utf8"
)

// table is a table of the report. The first column is text, the others are figures.
type table struct {
	title   string
	columns []string
	rows    [][]string
}

func newTable(title string, columns ...string) *table { return &table{title: title, columns: columns} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// markdown writes the table with columns of even width, so that it can be read as it is. A row that is too short is filled.
func (t *table) markdown() string {
	widths := make([]int, len(t.columns))
	for i, column := range t.columns {
		widths[i] = max(3, utf8.RuneCountInString(column))
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(cellOf(row, i)))
		}
	}
	var text strings.Builder
	if t.title != "" {
		text.WriteString("**" + t.title + "**\n\n")
	}
	line := func(cell func(i int) string) {
		for i := range t.columns {
			text.WriteString("| " + cell(i) + " ")
		}
		text.WriteString("|\n")
	}
	line(func(i int) string { return padded(t.columns[i], widths[i], i > 0) })
	line(func(i int) string {
		if i == 0 {
			return strings.Repeat("-", widths[i])
		}
		return strings.Repeat("-", widths[i]-1) + ":"
	})
	for _, row := range t.rows {
		line(func(i int) string { return padded(cellOf(row, i), widths[i], i > 0) })
	}
	return text.String()
}

func cellOf(row []string, i int) string {
	if i < len(row) {
		return row[i]
	}
	return notMeasured
}

func padded(text string, width int, right bool) string {
	room := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if right {
		return room + text
	}
	return text + room
}
