package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is what is measured, and for how long. The long plan is for a quiet machine and a whole evening.
type plan struct {
	out   string // the file to write
	short bool
	parts string // such as "abcde"

	replacedSizes []int // finished jobs in part a
	peerSizes     []int // in part d
	costSizes     []int // in part e
	waiting       int   // jobs that wait, outside of the part that varies it
	manyWaiting   []int // in part e
	few, many     int   // running jobs
	viewers       []int // subscribers in part c
	pollers       []int // viewers of one dashboard in parts a and e

	window   time.Duration // during which database time is counted
	visits   int           // page loads of one figure
	asks     int           // of each list of jobs
	rounds   int           // of the hot path
	round    time.Duration // of one contestant in it
	flowRate int           // jobs per second of the steady flow
}

func longPlan() plan {
	return plan{
		out: "docs/benchmarks.md", parts: "abcde",
		replacedSizes: []int{10_000, 1_000_000, 10_000_000},
		peerSizes:     []int{1_000_000, 5_000_000, 10_000_000},
		costSizes:     []int{1_000_000, 10_000_000},
		waiting:       100_000, manyWaiting: []int{100_000, 1_000_000}, few: 30, many: 3_000,
		viewers: []int{1_000, 5_000, 10_000}, pollers: []int{1, 10, 100},
		window: time.Minute, visits: 9, asks: 40, rounds: 15, round: 2 * time.Second, flowRate: 200,
	}
}

// shortPlan goes through everything in a few minutes. Its figures show that the bench works, nothing more.
func shortPlan() plan {
	p := longPlan()
	p.out, p.short = "benchmarks-short.md", true
	p.replacedSizes, p.peerSizes, p.costSizes = []int{10_000}, []int{10_000}, []int{10_000, 20_000}
	p.waiting, p.manyWaiting, p.many = 1_000, []int{1_000, 10_000}, 300
	p.viewers, p.pollers = []int{100, 500}, []int{1, 10}
	p.asks = 5
	p.window, p.visits, p.rounds, p.round = 11*time.Second, 3, 3, 400*time.Millisecond
	return p
}

// parsePlan reads the command line.
func parsePlan(args []string) (plan, error) {
	p := longPlan()
	if slices.Contains(args, "-short") {
		p = shortPlan()
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Bool("short", p.short, "tiny sizes, a few minutes")
	flags.StringVar(&p.out, "out", p.out, "file to write")
	flags.StringVar(&p.parts, "parts", p.parts, `which tables, such as "a c d"`)
	flags.DurationVar(&p.window, "window", p.window, "how long database time is counted for one figure")
	sizes := flags.String("sizes", "", `finished jobs in parts a, d and e, such as "10k 1m" (default: of each part its own)`)
	peerSizes := flags.String("peer-sizes", "", "finished jobs in part d alone")
	viewers := flags.String("viewers", "", `subscribers in part c, such as "1k 5k 10k"`)
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if flags.NArg() > 0 {
		return p, fmt.Errorf("%q is no option: see bench -h", flags.Arg(0))
	}
	p.parts = strings.Join(strings.Fields(strings.ReplaceAll(p.parts, ",", " ")), "")
	if strings.Trim(p.parts, "abcde") != "" || p.parts == "" {
		return p, fmt.Errorf("parts %q: write some of a b c d e", p.parts)
	}
	for _, given := range []struct {
		text string
		into []*[]int
	}{
		{*sizes, []*[]int{&p.replacedSizes, &p.peerSizes, &p.costSizes}},
		{*peerSizes, []*[]int{&p.peerSizes}},
		{*viewers, []*[]int{&p.viewers}},
	} {
		if given.text == "" {
			continue
		}
		list, err := parseSizes(given.text)
		if err != nil {
			return p, err
		}
		for _, into := range given.into {
			*into = list
		}
	}
	if p.window < 5*time.Second {
		return p, errors.New("window: less than one cycle of 5s says nothing")
	}
	return p, nil
}

func (p plan) has(part string) bool { return strings.Contains(p.parts, part) }

// fillings are the sizes to which the database is filled, smallest first, for the parts that are wanted.
func (p plan) fillings() []int {
	var all []int
	for part, sizes := range map[string][]int{"a": p.replacedSizes, "d": p.peerSizes, "e": p.costSizes} {
		if p.has(part) {
			all = append(all, sizes...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parseSizes reads numbers such as "10k 1m 250".
func parseSizes(text string) ([]int, error) {
	var sizes []int
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		digits, factor := strings.ToLower(word), 1
		switch {
		case strings.HasSuffix(digits, "k"):
			digits, factor = strings.TrimSuffix(digits, "k"), 1_000
		case strings.HasSuffix(digits, "m"):
			digits, factor = strings.TrimSuffix(digits, "m"), 1_000_000
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("%q is no size: write such as 10k, 1m or 250", word)
		}
		sizes = append(sizes, n*factor)
	}
	if sizes == nil {
		return nil, fmt.Errorf("%q holds no size: write such as 10k 1m", text)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}
