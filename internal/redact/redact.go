// Package redact takes secrets out of what jobs were given and what they said, before anybody sees it: values under names of secrets
// in JSON, in texts and in URLs, credentials of HTTP headers, private keys, and values that are known to be secret.
//
// It is a net, not a wall: what has no form of a secret and no name of one passes.
package redact

import (
	"encoding/json"
	"slices"
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

// Beginning is Output for a text that goes on.
func (r *Rules) Beginning(text string) string {
	if looksLikeJSON(text) {
		if out := r.Prefix(text); len(out) > len(text)/2 { // else it only looks like it
			return out
		}
	}
	return r.Text(text)
}

// Any is JSON in its compact form, and of what is not JSON the text, or as much of it as reads like JSON.
func (r *Rules) Any(text string) string {
	if out, ok := r.JSON(text); ok {
		return out
	}
	if looksLikeJSON(text) {
		return r.Prefix(text)
	}
	return r.Text(text)
}

// List is for the words of a command.
func (r *Rules) List(words []string) []string {
	text, err := json.Marshal(words)
	if err != nil {
		return nil
	}
	var clean []string
	if out, ok := r.JSON(string(text)); !ok || json.Unmarshal([]byte(out), &clean) != nil {
		return nil
	}
	return clean
}

// Maybe is Text for a text that may not be there.
func (r *Rules) Maybe(text *string) *string {
	if text == nil {
		return nil
	}
	clean := r.Text(*text)
	return &clean
}

// minValue is how long a value must be to be looked for: shorter ones are parts of ordinary words.
const minValue = 8

// Attempt takes the secrets out of what one attempt says, line by line. It is not for several goroutines.
type Attempt struct {
	rules  *Rules
	values []string
	inKey  bool // the lines are those of a private key
}

// Attempt also takes out values, wherever they stand, if they have at least 8 characters: those passed, and those of the variables
// whose names are of secrets.
func (r *Rules) Attempt(passed []string, env map[string]string) *Attempt {
	a := &Attempt{rules: r}
	values := slices.Clone(passed)
	for name, value := range env {
		if s := r.of(name); s == secret || s == counted && !isNumber(value) {
			values = append(values, value)
		}
	}
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) }) // one may be the beginning of another
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
func (a *Attempt) Text(text string) string { return a.rules.Text(a.known(text)) }

// Output takes out the values alone. Of a text that was cut, the beginning of a value at its end goes too.
func (a *Attempt) Output(text string, cut bool) string {
	text = a.known(text)
	if !cut {
		return text
	}
	for _, value := range a.values {
		for n := min(len(value)-1, len(text)); n >= minValue/2; n-- {
			if strings.HasSuffix(text, value[:n]) {
				return text[:len(text)-n] + Mark
			}
		}
	}
	return text
}

func (a *Attempt) known(text string) string {
	for _, value := range a.values {
		text = strings.ReplaceAll(text, value, Mark)
	}
	return text
}
