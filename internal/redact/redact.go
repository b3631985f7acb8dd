// Package redact takes secrets out of what jobs were given and what they said, before anybody sees it: values under names of secrets
// in JSON, in texts and in URLs, credentials of HTTP headers, private keys, and values that are known to be secret.
//
// It is a net, not a wall: what has no form of a secret and no name of one passes.
package redact

import (
	"strings"
)

// Mark stands where a secret was.
const Mark = "[redacted]"

// Rules say which names are those of secrets. Nil are the rules that are always in force.
type Rules struct {
	names map[string]bool // on top, as words in lower case joined together
}

// New returns rules that take further names for those of secrets: "iban" is found in customerIban and CUSTOMER_IBAN too.
func New(names []string) *Rules {
	r := &Rules{names: map[string]bool{}}
	for _, name := range names {
		if joined := strings.Join(wordsOf(name), ""); joined != "" {
			r.names[joined] = true
		}
	}
	return r
}

// Output is a text that may be JSON or anything else. As JSON it keeps its form, unless there was something to take out.
func (r *Rules) Output(text string) string {
	if looksLikeJSON(text) {
		if out, changed, ok := r.json(text, 0); ok {
			if changed {
				return out
			}
			return text
		}
	}
	return r.Text(text)
}

// minValue is how long a value must be to be looked for: shorter ones are parts of ordinary words.
const minValue = 8

// Attempt takes the secrets out of what one attempt says, line by line. It is not for several goroutines.
type Attempt struct {
	rules  *Rules
	values []string
	inKey  bool // the lines are those of a private key
}

// Attempt also takes out values, wherever they stand, if they have at least 8 characters.
func (r *Rules) Attempt(values []string) *Attempt {
	a := &Attempt{rules: r}
	for _, value := range values {
		a.add(value)
		if quoted := quote(value); quoted != value { // as it stands in JSON
			a.add(quoted)
		}
		if strings.Contains(value, "\n") { // as lines come
			for line := range strings.Lines(value) {
				a.add(strings.TrimSpace(line))
			}
		}
	}
	return a
}

func (a *Attempt) add(value string) {
	if len(value) >= minValue {
		a.values = append(a.values, value)
	}
}

// Line is for one line after the other.
func (a *Attempt) Line(text string) string {
	begins, ends := strings.Contains(text, keyBegin) && strings.Contains(text, keyKind), strings.Contains(text, keyEnd)
	within := a.inKey && !begins
	a.inKey = (a.inKey || begins) && (!ends || strings.LastIndex(text, keyEnd) < strings.LastIndex(text, keyBegin))
	if within {
		if !ends {
			return Mark
		}
		_, text, _ = strings.Cut(text, keyEnd)
		_, text, _ = strings.Cut(text, keyKind)
		return Mark + a.Text(text)
	}
	return a.Text(text)
}

// Text is for a text as a whole.
func (a *Attempt) Text(text string) string { return a.rules.Text(a.Values(text)) }

// Values takes out the values alone.
func (a *Attempt) Values(text string) string {
	for _, value := range a.values {
		text = strings.ReplaceAll(text, value, Mark)
	}
	return text
}

// Cut is Values for a text whose end was cut off: the beginning of a value there goes too.
func (a *Attempt) Cut(text string) string {
	text = a.Values(text)
	for _, value := range a.values {
		for n := min(len(value)-1, len(text)); n >= minValue/2; n-- {
			if strings.HasSuffix(text, value[:n]) {
				return text[:len(text)-n] + Mark
			}
		}
	}
	return text
}
