package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/agentos/agentos/internal/agent"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/section"
	"github.com/agentos/agentos/internal/strictyaml"
)

// sectionsAtOnce is how many sections are collected at the same time by hand.
const sectionsAtOnce = 4

// ErrSectionFailed says that a section could not be collected.
var ErrSectionFailed = errors.New("a section failed")

// LoadFile reads the agents and the sections of the fleet's file, with all that is wrong with either.
func LoadFile(path string) (*agent.Fleet, []section.Spec, error) {
	fleet, err := LoadAgents(path)
	if errors.As(err, new(config.ValidationErrors)) { // there is no file
		return nil, nil, err
	}
	sections, wrong := section.Load(path)
	var inAgents, inSections strictyaml.Errors
	if errors.As(err, &inAgents) && errors.As(wrong, &inSections) {
		return nil, nil, append(inAgents, inSections...).InOrder() // what is wrong with the whole file is in both, and said once
	}
	return fleet, sections, errors.Join(err, wrong)
}

// DescribeSections is the end of a line on a fleet's file.
func DescribeSections(specs []section.Spec) string {
	if len(specs) == 0 {
		return ""
	}
	return fmt.Sprintf(", %d sections", len(specs))
}

// RunSections collects each section once and writes what its card would show, with the time it took, in the order of the file.
func RunSections(ctx context.Context, cfg *config.Config, specs []section.Spec, out io.Writer) error {
	collector := newCollector(cfg)
	results := make([]string, len(specs))
	failed := make([]bool, len(specs))
	var running sync.WaitGroup
	free := make(chan struct{}, sectionsAtOnce)
	for i, s := range specs {
		running.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			began := time.Now()
			value, err := collector.Collect(ctx, s)
			took := time.Since(began).Round(time.Millisecond)
			failed[i] = err != nil
			if err != nil {
				results[i] = fmt.Sprintf("%s (%s, %s): error: %v\n", s.Name, s.Kind(), took, err)
				return
			}
			results[i] = fmt.Sprintf("%s (%s, %s): %s\n", s.Name, s.Kind(), took, cardText(s, value))
		})
	}
	running.Wait()
	if len(specs) == 0 {
		results = []string{"the file has no sections\n"}
	}
	_, err := io.WriteString(out, strings.Join(results, ""))
	if err := errors.Join(err, collector.Close()); err != nil {
		return err
	}
	count := 0
	for _, f := range failed {
		if f {
			count++
		}
	}
	if count > 0 {
		return fmt.Errorf("%w: %d of %d", ErrSectionFailed, count, len(specs))
	}
	return nil
}

// cardText is a value as a terminal shows it.
func cardText(s section.Spec, v section.Value) string {
	var b strings.Builder
	b.WriteString(s.Title + ": ")
	switch s.Show {
	case section.ShowTable:
		tableText(&b, v)
	case section.ShowSeries:
		last := v.Points[len(v.Points)-1]
		fmt.Fprintf(&b, "%d points, the last at %s: %s", len(v.Points), time.UnixMilli(last.At).UTC().Format(time.RFC3339), numberText(last.Value, v.Format, v.Unit))
	case section.ShowStatus:
		b.WriteString(v.Status)
	case section.ShowText:
		b.WriteString(strings.ReplaceAll(v.Text, "\n", "\n    "))
		if v.Cut {
			b.WriteString(" (shortened)")
		}
	default:
		b.WriteString(numberText(v.Number, v.Format, v.Unit))
	}
	if v.Level != "" {
		fmt.Fprintf(&b, " [%s]", v.Level)
	}
	return b.String()
}

func tableText(b *strings.Builder, v section.Value) {
	fmt.Fprintf(b, "%d rows", len(v.Rows)+v.More)
	if v.More > 0 {
		fmt.Fprintf(b, ", the first %d of them shown", len(v.Rows))
	}
	b.WriteString("\n")
	columns := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	labels := make([]string, len(v.Columns))
	for i, c := range v.Columns {
		labels[i] = c.Label
	}
	fmt.Fprintln(columns, "    "+strings.Join(labels, "\t"))
	for _, row := range v.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			switch cell := cell.(type) {
			case nil:
				cells[i] = "-"
			case float64:
				cells[i] = numberText(&cell, v.Columns[i].Format, "")
			default:
				cells[i] = fmt.Sprint(cell)
			}
		}
		fmt.Fprintln(columns, "    "+strings.Join(cells, "\t"))
	}
	_ = columns.Flush() // to memory
	text := strings.TrimRight(b.String(), "\n")
	b.Reset()
	b.WriteString(text)
}

// numberText writes a number in its format.
func numberText(n *float64, format section.Format, unit string) string {
	if n == nil {
		return "nothing"
	}
	text := strconv.FormatFloat(*n, 'f', -1, 64)
	switch format {
	case section.FormatPercent:
		text += " %"
	case section.FormatDuration:
		text = time.Duration(*n * float64(time.Second)).Round(time.Millisecond).String()
	case section.FormatBytes:
		text += " bytes"
	}
	if unit != "" {
		text += " " + unit
	}
	return text
}
