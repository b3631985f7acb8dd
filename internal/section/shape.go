package section

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/theory/jsonpath"
)

const (
	maxKept   = 1000 // rows that are looked at
	maxCell   = 200  // bytes
	maxStatus = 60
)

// picked takes from JSON what the section's path selects.
func (v *visit) picked(value any) (any, error) {
	if v.spec.Pick == "" {
		return value, nil
	}
	path, err := jsonpath.Parse(v.spec.Pick)
	if err != nil {
		return nil, fmt.Errorf("pick: %w", err)
	}
	nodes := path.Select(value)
	many := v.spec.Show == ShowTable || v.spec.Show == ShowSeries
	switch {
	case len(nodes) == 0 && many && path.Query().Singular() == nil:
		return []any{}, nil
	case len(nodes) == 0:
		return nil, fmt.Errorf("pick %s selects nothing of what came", v.spec.Pick)
	case len(nodes) == 1:
		return nodes[0], nil
	case !many:
		return nil, fmt.Errorf("pick %s selects %d values: select one", v.spec.Pick, len(nodes))
	}
	return []any(nodes), nil
}

// shape makes of what came what the section shows.
func (v *visit) shape(raw any) (Value, error) {
	s := v.spec
	var value Value
	var err error
	switch s.Show {
	case ShowTable:
		value, err = v.table(raw)
	case ShowSeries:
		value, err = v.series(raw)
	case ShowStatus, ShowText:
		value, err = v.words(raw)
	default:
		value, err = v.number(raw)
	}
	if err != nil {
		return Value{}, err
	}
	return fit(value)
}

func (v *visit) number(raw any) (Value, error) {
	raw, err := single(raw)
	if err != nil {
		return Value{}, err
	}
	n, err := numberOf(raw)
	if err != nil {
		return Value{}, err
	}
	return Value{Number: &n, Unit: v.spec.Unit, Format: v.spec.Format, Level: v.level(n)}, nil
}

// single is the one value of a result.
func single(raw any) (any, error) {
	t, isTable := raw.(*table)
	switch {
	case !isTable:
		return raw, nil
	case len(t.rows) == 0:
		return nil, errors.New("the result is empty: have the query return one row")
	case len(t.rows) > 1:
		return nil, fmt.Errorf("the result has %d rows: have the query return one, or write show: table", len(t.rows)+t.more)
	case len(t.columns) > 1:
		return nil, fmt.Errorf("the result has %d columns: have the query return one, or write show: table", len(t.columns))
	}
	return t.rows[0][0], nil
}

// numberOf reads a number. What is none is named.
func numberOf(raw any) (float64, error) {
	var n float64
	switch raw := raw.(type) {
	case nil:
		return 0, errors.New("null came instead of a number: have it return 0 where that is meant")
	case float64:
		n = raw
	case int64:
		n = float64(raw)
	case json.Number, string:
		text := strings.TrimSpace(fmt.Sprint(raw))
		parsed, err := strconv.ParseFloat(text, 64)
		if err != nil && !math.IsInf(parsed, 0) {
			shown, _ := clip(oneLine(plain(text)), 40)
			return 0, fmt.Errorf("%q came instead of a number", shown)
		}
		n = parsed
	default:
		return 0, fmt.Errorf("%s came instead of a number", kindOf(raw))
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%v came instead of a number", n)
	}
	return n, nil
}

func kindOf(raw any) string {
	switch raw.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return "true or false"
	case time.Time:
		return "a time"
	}
	return fmt.Sprintf("%T", raw)
}

func (v *visit) level(n float64) Level {
	hit := func(t *Threshold) bool {
		return t != nil && (t.Above != nil && n > *t.Above || t.Below != nil && n < *t.Below)
	}
	return levelOf(v.spec, hit)
}

func levelOf(s *Spec, hit func(*Threshold) bool) Level {
	switch {
	case s.Warn == nil && s.Bad == nil:
		return ""
	case hit(s.Bad):
		return LevelBad
	case hit(s.Warn):
		return LevelWarn
	}
	return LevelOK
}

// words is a status or a text.
func (v *visit) words(raw any) (Value, error) {
	raw, err := single(raw)
	if err != nil {
		return Value{}, err
	}
	if raw == nil {
		return Value{}, errors.New("null came instead of a text")
	}
	text := strings.TrimSpace(v.clean(textOf(raw)))
	if text == "" {
		return Value{}, errors.New("an empty text came")
	}
	if v.spec.Show == ShowText {
		return Value{Text: text}, nil
	}
	text, cut := clip(oneLine(text), maxStatus)
	level := levelOf(v.spec, func(t *Threshold) bool {
		return t != nil && slices.ContainsFunc(t.Words, func(word string) bool { return strings.EqualFold(word, text) })
	})
	return Value{Status: text, Level: level, Cut: cut}, nil
}

// textOf writes whatever came.
func textOf(raw any) string {
	switch raw := raw.(type) {
	case nil:
		return ""
	case string:
		return raw
	case json.Number:
		return raw.String()
	case float64:
		return strconv.FormatFloat(raw, 'g', -1, 64)
	case time.Time:
		return raw.UTC().Format(time.RFC3339)
	case [16]byte: // a UUID
		return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
	case map[string]any, []any:
		text, err := json.Marshal(raw)
		if err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(raw)
}

func (v *visit) table(raw any) (Value, error) {
	t, err := v.tabular(raw)
	if err != nil {
		return Value{}, err
	}
	value := Value{More: t.more}
	for i, name := range t.columns {
		column := Column{Label: name}
		if len(v.spec.Columns) > 0 {
			column = Column{Label: v.spec.Columns[i].Label, Format: v.spec.Columns[i].Format}
		}
		column.Label, _ = clip(oneLine(v.clean(column.Label)), maxText)
		value.Columns = append(value.Columns, column)
	}
	kept := t.rows[:min(len(t.rows), MaxRows)]
	value.More += len(t.rows) - len(kept)
	for _, row := range kept {
		cells := make([]Cell, len(row))
		for i, raw := range row {
			cells[i] = v.cell(raw, value.Columns[i].Format)
		}
		value.Rows = append(value.Rows, cells)
	}
	return value, nil
}

// cell is nil, a number or a text. A number that a float cannot hold stays a text.
func (v *visit) cell(raw any, format Format) Cell {
	const exact = 1 << 53
	switch format {
	case FormatDate:
		if at, ok := timeOf(raw); ok {
			return at.UTC().Format(time.RFC3339)
		}
	case FormatText:
	default:
		_, isText := raw.(string)
		n, err := numberOf(raw)
		if err == nil && (!isText || format != "") && math.Abs(n) <= exact {
			return n
		}
	}
	if raw == nil {
		return nil
	}
	text, _ := clip(oneLine(v.clean(textOf(raw))), maxCell)
	return text
}

// tabular makes rows of what came, with the columns that the section has.
func (v *visit) tabular(raw any) (*table, error) {
	if t, ok := raw.(*table); ok {
		return v.project(t)
	}
	switch raw := raw.(type) {
	case []any:
		return v.rowsOf(raw)
	case map[string]any:
		if len(v.spec.Columns) > 0 { // one row
			return v.rowsOf([]any{raw})
		}
		t := &table{columns: []string{"name", "value"}}
		for _, key := range sortedKeys(raw) {
			t.rows = append(t.rows, []any{key, raw[key]})
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s came instead of a list: select one with pick, or write show: text", articleOf(raw))
}

func articleOf(raw any) string {
	switch raw.(type) {
	case nil:
		return "null"
	case string:
		return "a text"
	case json.Number, float64, int64:
		return "a number"
	}
	return kindOf(raw)
}

// project keeps the columns that the section names, in its order.
func (v *visit) project(t *table) (*table, error) {
	if len(v.spec.Columns) == 0 {
		if len(t.columns) > maxColumns {
			return nil, fmt.Errorf("the result has %d columns and may have %d: select fewer", len(t.columns), maxColumns)
		}
		return t, nil
	}
	out := &table{more: t.more}
	var at []int
	for _, column := range v.spec.Columns {
		i := slices.Index(t.columns, column.From)
		if i < 0 && len(t.rows) == 0 && len(t.columns) <= 1 { // of an empty answer of Prometheus nothing else is known
			i = 0
		}
		if i < 0 {
			return nil, fmt.Errorf("there is no column %q in the result: there are %s", column.From, strings.Join(t.columns, ", "))
		}
		at, out.columns = append(at, i), append(out.columns, column.From)
	}
	for _, row := range t.rows {
		cells := make([]any, len(at))
		for j, i := range at {
			cells[j] = row[i]
		}
		out.rows = append(out.rows, cells)
	}
	return out, nil
}

// rowsOf makes a row of each item of a list: of an object by its keys, of a list by its places, of anything else one cell.
func (v *visit) rowsOf(items []any) (*table, error) {
	t := &table{more: max(len(items)-maxKept, 0)}
	items = items[:min(len(items), maxKept)]
	read, err := v.readers(items)
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(read))
	for _, r := range read {
		t.columns = append(t.columns, r.name)
	}
	for _, item := range items {
		row := make([]any, len(read))
		for i, r := range read {
			value, ok := r.from(item)
			row[i], found[i] = value, found[i] || ok
		}
		t.rows = append(t.rows, row)
	}
	for i, ok := range found {
		if !ok && len(items) > 0 {
			return nil, fmt.Errorf("no row has a %s: look at what comes with show: text", read[i].name)
		}
	}
	return t, nil
}

// reader takes one column from an item of a list.
type reader struct {
	name string
	from func(item any) (any, bool)
}

func (v *visit) readers(items []any) ([]reader, error) {
	var all []reader
	for _, column := range v.spec.Columns {
		if !strings.HasPrefix(column.From, "$") {
			all = append(all, keyReader(column.From))
			continue
		}
		path, err := jsonpath.Parse(column.From)
		if err != nil {
			return nil, fmt.Errorf("columns: %w", err)
		}
		all = append(all, reader{column.From, func(item any) (any, bool) {
			nodes := path.Select(item)
			if len(nodes) == 0 {
				return nil, false
			}
			return nodes[0], true
		}})
	}
	if len(all) > 0 || len(items) == 0 {
		return all, nil
	}
	switch first := items[0].(type) {
	case map[string]any:
		for _, key := range sortedKeys(first) {
			all = append(all, keyReader(key))
		}
	case []any:
		for i := range first {
			all = append(all, keyReader(strconv.Itoa(i)))
		}
	default:
		all = []reader{{"value", func(item any) (any, bool) { return item, true }}}
	}
	if len(all) > maxColumns {
		return nil, fmt.Errorf("a row has %d values and may have %d: name those to show in columns", len(all), maxColumns)
	}
	return all, nil
}

// keyReader takes what an object has under a key, or a list at a place.
func keyReader(key string) reader {
	place, err := strconv.Atoi(key)
	return reader{key, func(item any) (any, bool) {
		switch item := item.(type) {
		case map[string]any:
			value, ok := item[key]
			return value, ok
		case []any:
			if err == nil && place >= 0 && place < len(item) {
				return item[place], true
			}
		}
		return nil, false
	}}
}

func sortedKeys(object map[string]any) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// series is the newest points of one line over time.
func (v *visit) series(raw any) (Value, error) {
	t, err := v.tabular(raw)
	switch {
	case err != nil:
		return Value{}, err
	case len(t.rows) == 0:
		return Value{}, errors.New("the result is empty: there are no points")
	case len(t.columns) != 2:
		return Value{}, fmt.Errorf("a series has two columns, the time and the value, and %d came: name them in columns", len(t.columns))
	case t.more > 0:
		return Value{}, fmt.Errorf("more than %d points came: have it return fewer", maxKept)
	}
	value := Value{Unit: v.spec.Unit, Format: v.spec.Format}
	for _, row := range t.rows {
		at, ok := timeOf(row[0])
		if !ok {
			shown, _ := clip(oneLine(v.clean(textOf(row[0]))), 40)
			return Value{}, fmt.Errorf("%q came instead of a time: give seconds since 1970, or 2006-01-02T15:04:05Z", shown)
		}
		point := Point{At: at.UnixMilli()}
		if n, err := numberOf(row[1]); err == nil {
			point.Value = &n
		} else if row[1] != nil && !notANumber(row[1]) {
			return Value{}, err
		}
		value.Points = append(value.Points, point)
	}
	slices.SortStableFunc(value.Points, func(a, b Point) int { return int(a.At - b.At) })
	if more := len(value.Points) - MaxPoints; more > 0 {
		value.Points, value.More = value.Points[more:], more
	}
	if last := value.Points[len(value.Points)-1].Value; last != nil {
		value.Level = v.level(*last)
	}
	return value, nil
}

// notANumber reports whether a point says itself that it has no value.
func notANumber(raw any) bool {
	text, _ := raw.(string)
	n, err := strconv.ParseFloat(text, 64)
	f, isFloat := raw.(float64)
	return err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) || isFloat && (math.IsNaN(f) || math.IsInf(f, 0))
}

var timeForms = []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly}

// timeOf reads a time: seconds or milliseconds since 1970, or one of the usual forms.
func timeOf(raw any) (time.Time, bool) {
	const inMilliseconds, latest = 1e11, 1e14
	if at, ok := raw.(time.Time); ok {
		return at, true
	}
	if n, err := numberOf(raw); err == nil {
		if math.Abs(n) < inMilliseconds {
			n *= 1000
		}
		return time.UnixMilli(int64(n)), math.Abs(n) < latest
	}
	text, _ := raw.(string)
	for _, form := range timeForms {
		if at, err := time.Parse(form, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// fit shortens a value to MaxValue bytes of JSON, and says so in it.
func fit(value Value) (Value, error) {
	for {
		encoded, err := json.Marshal(value)
		if err != nil {
			return Value{}, fmt.Errorf("the value cannot be encoded: %w", err)
		}
		over := len(encoded) - MaxValue
		switch {
		case over <= 0:
			return value, nil
		case len(value.Rows) > 0:
			value.Rows = value.Rows[:len(value.Rows)-1]
			value.More++
		case len(value.Points) > 1:
			value.Points = value.Points[1:]
			value.More++
		case len(value.Text) > 0:
			value.Text, _ = clip(value.Text, max(len(value.Text)-max(over/6, 16), 0)) // a byte has up to six in JSON
			value.Cut = true
		default:
			return Value{}, fmt.Errorf("the value is larger than %d KB: show less of it", MaxValue>>10)
		}
	}
}

// clean makes a text plain, and takes secrets out of it.
func (v *visit) clean(text string) string {
	return plain(v.c.options.Redact.Attempt(v.secrets, nil).Text(text))
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")

// plain is valid UTF-8 without colours, control characters and marks that turn the direction of writing.
func plain(text string) string {
	text = escapes.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\n':
			return r
		case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, text)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// clip shortens a text to so many bytes.
func clip(text string, most int) (string, bool) {
	if len(text) <= most {
		return text, false
	}
	most = max(most-len("…"), 0)
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…", true
}
