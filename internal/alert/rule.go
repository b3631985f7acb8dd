package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/agentos/agentos/internal/strictyaml"
)

// Rule is one alert as it is configured.
type Rule struct {
	Name string
	// The condition that fires it; docs/alerts.md has the language.
	Expression string
	// How long the condition must hold before it fires; 0: at once.
	For time.Duration
	// How long the condition must not hold before it is resolved; 0: at once.
	KeepFiring time.Duration
	// How often those who were notified are reminded while it fires; 0: never.
	Every    time.Duration
	Severity Severity
	// One instance for each agent, queue or section; empty: one.
	Per Per
	// What is to be said, with placeholders such as {queue.pending}; empty: the rule's name.
	Summary string
	// The channels that are notified, by name; empty: none, it is only shown.
	Notify []string
}

// Severity is how bad it is when a rule fires.
type Severity string

// The severities.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Per is what a rule has an instance for each of.
type Per string

// What there may be instances for.
const (
	PerNone    Per = ""
	PerAgent   Per = "agent"
	PerQueue   Per = "queue"
	PerSection Per = "section"
)

// compiled is a rule that is ready to be evaluated.
type compiled struct {
	Rule
	condition *expression
	summary   []piece
	id        string
}

// piece is a part of a summary: text, or a placeholder.
type piece struct {
	text  string
	value node
}

// Set is rules that are ready to be evaluated. It does not change.
type Set struct {
	rules []*compiled
}

// RuleError is a mistake in one part of a rule.
type RuleError struct {
	Rule, Part string
	// In the part's text, from 1.
	Line, Col int
	Text      string
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("alert %s: %s, %d:%d: %s", e.Rule, e.Part, e.Line, e.Col, e.Text)
}

// Compile checks rules and makes a set of them; each mistake is a [*RuleError].
func Compile(rules []Rule) (*Set, []*RuleError) {
	set := &Set{}
	var errs []*RuleError
	seen := map[string]bool{}
	for _, r := range rules {
		c, wrong := r.compile()
		if seen[r.Name] { // states are kept by name
			wrong = append(wrong, &RuleError{r.Name, "name", 1, 1, "there are two rules of this name"})
		}
		seen[r.Name] = true
		errs = append(errs, wrong...)
		set.rules = append(set.rules, c)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return set, nil
}

// Rules returns the rules of the set.
func (s *Set) Rules() []Rule {
	all := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		all[i] = r.Rule
	}
	return all
}

func (r Rule) compile() (c *compiled, errs []*RuleError) {
	c = &compiled{Rule: r}
	wrong := func(part string, line, col int, text string) {
		errs = append(errs, &RuleError{r.Name, part, line, col, text})
	}
	condition, err := compile(r.Expression, r.Per)
	if at, ok := err.(*ExpressionError); ok { //nolint:errorlint // compile returns no other
		wrong("expr", at.Line, at.Col, at.Text)
	} else if condition.is.kind != kindBool {
		wrong("expr", 1, 1, fmt.Sprintf("the expression comes to %s and must be true or false: compare it, as in %s > 0", kindNames[condition.is.kind], strictyaml.Clip(r.Expression)))
	}
	c.condition = condition
	if c.summary, err = summaryOf(r.Summary, r.Per); err != nil {
		at, _ := err.(*ExpressionError) //nolint:errorlint // nor does summaryOf
		wrong("summary", at.Line, at.Col, at.Text)
	}
	// What an instance stands for: a rule whose condition changed starts its waiting anew.
	sum := sha256.Sum256([]byte(string(r.Per) + "\n" + r.Expression))
	c.id = hex.EncodeToString(sum[:6])
	return c, errs
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// summaryOf compiles the placeholders of a summary.
func summaryOf(text string, per Per) ([]piece, error) {
	var pieces []piece
	from := 0
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		e, err := compile(text[at[0]+1:at[1]-1], per)
		line, before := 1+strings.Count(text[:at[0]], "\n"), at[0]-strings.LastIndexByte(text[:at[0]], '\n')-1
		if wrong, ok := err.(*ExpressionError); ok { //nolint:errorlint // compile returns no other
			return nil, &ExpressionError{line + wrong.Line - 1, before + 1 + wrong.Col, wrong.Text}
		}
		if e.is.kind == kindObject || e.is.kind == kindMap || e.is.kind == kindList {
			return nil, &ExpressionError{line, before + 2, "a placeholder cannot show " + kindNames[e.is.kind] + ": name a field of it"}
		}
		pieces = append(pieces, piece{text: text[from:at[0]]}, piece{value: e.eval})
		from = at[1]
	}
	return append(pieces, piece{text: text[from:]}), nil
}
