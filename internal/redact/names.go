package redact

import (
	"slices"
	"strings"
	"unicode"
)

// secretParts make a name that of a secret when it contains one of them, in lower case and without punctuation.
var secretParts = []string{
	"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "signingkey", "encryptionkey", "sshkey",
	"masterkey", "sharedkey", "authorization", "cookie", "credential", "bearer", "sessionid",
}

// secretWords are too short to be looked for inside others: a name that ends with one as a word of its own is that of a secret.
var secretWords = []string{"pass", "pwd", "auth", "pin", "jwt", "otp", "cvv", "cvc"}

// countWords in a name of a secret say that a number there counts something or is a time: "max_tokens": 100.
var countWords = []string{
	"tokens", "max", "min", "count", "limit", "total", "num", "budget", "size", "length", "len", "ttl",
	"expires", "expiry", "expiration", "age", "timeout", "seconds", "secs", "ms", "per", "rate", "used", "usage", "version",
}

// headers are secrets up to the end of their line.
var headers = []string{"authorization", "proxyauthorization", "cookie", "setcookie", "xapikey", "xauthtoken"}

const maxName = 128 // bytes of a name that are looked at

// secrecy is what a name says of its value.
type secrecy int

const (
	open    secrecy = iota
	counted         // texts are secret, numbers are not
	secret          // all but truth values and null
)

// of judges a name.
func (r *Rules) of(name string) secrecy {
	if len(name) < 2 {
		return open
	}
	words := wordsOf(name[:min(len(name), maxName)])
	if r != nil && r.own(words) {
		return secret
	}
	joined := strings.Join(words, "")
	known := len(words) > 0 && slices.Contains(secretWords, words[len(words)-1]) || slices.Contains(secretWords, joined) ||
		slices.ContainsFunc(secretParts, func(part string) bool { return strings.Contains(joined, part) })
	switch {
	case !known:
		return open
	case slices.ContainsFunc(words, func(word string) bool { return slices.Contains(countWords, word) }):
		return counted
	}
	return secret
}

// own reports whether some words of a name that follow each other are one of the names that were configured.
func (r *Rules) own(words []string) bool {
	for from := range words {
		joined := ""
		for _, word := range words[from:] {
			joined += word
			if r.names[joined] {
				return true
			}
		}
	}
	return false
}

// wordsOf splits a name at punctuation and where capitals begin, in lower case: "DBPassword" is db, password.
func wordsOf(name string) []string {
	var words []string
	var word []rune
	runes := []rune(name)
	end := func() {
		if len(word) > 0 {
			words = append(words, string(word))
		}
		word = word[:0]
	}
	for i, c := range runes {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			end()
			continue
		}
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			end()
		}
		word = append(word, unicode.ToLower(c))
	}
	end()
	return words
}

func isHeader(name string) bool { return slices.Contains(headers, strings.Join(wordsOf(name), "")) }
