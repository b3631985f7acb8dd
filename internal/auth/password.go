package auth

import (
	"context"
	_ "embed" // the words that passwords are made of
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

const (
	minPassword = 10
	maxPassword = 1024
	// hashesAtOnce bounds memory: each hash takes Options.HashMemoryKiB.
	hashesAtOnce = 2
	hashWait     = 5 * time.Second
	// collectedKiB is how much a hash must take to be worth a collection, some milliseconds after a tenth of a second.
	collectedKiB = 8 << 10
)

// hasher makes and checks password hashes, at most hashesAtOnce of them at a time.
type hasher struct {
	params *argon2id.Params
	slots  chan struct{}
	// decoy is checked when the user does not exist, so that both answers take the same time. No password matches it.
	decoy string
}

func newHasher(memoryKiB uint32) *hasher {
	return &hasher{
		// Parallelism is fixed, not the machine's: it is part of the cost an attacker pays.
		params: &argon2id.Params{Memory: memoryKiB, Iterations: 2, Parallelism: 2, SaltLength: 16, KeyLength: 32},
		slots:  make(chan struct{}, hashesAtOnce),
		decoy: fmt.Sprintf("$argon2id$v=19$m=%d,t=2,p=2$YWdlbnRvcy1uby11c2VyIQ$"+
			"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", memoryKiB),
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	return argon2id.CreateHash(password, h.params)
}

// matches compares with hash, or with the decoy when hash is empty; then it is false.
func (h *hasher) matches(ctx context.Context, password, hash string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer h.release()
	if hash == "" {
		_, err := argon2id.ComparePasswordAndHash(password, h.decoy)
		return false, err
	}
	return argon2id.ComparePasswordAndHash(password, hash)
}

func (h *hasher) acquire(ctx context.Context) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return &RateLimitedError{RetryAfter: hashWait}
	}
}

// release collects what the hash used before the next one takes as much: otherwise a few hashes' worth of memory would pile up
// until the next garbage collection.
func (h *hasher) release() {
	if h.params.Memory >= collectedKiB {
		runtime.GC()
	}
	<-h.slots
}

// checkPassword refuses what is guessed first, as NIST SP 800-63B asks: what is short, what everybody takes, what repeats
// itself, and the names of the user and of this program. It asks for no kinds of characters.
func checkPassword(name, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return &InvalidError{Text: fmt.Sprintf("the password is too short: use at least %d characters, such as three or four words", minPassword)}
	case len(password) > maxPassword:
		return &InvalidError{Text: fmt.Sprintf("the password is too long: use at most %d bytes", maxPassword)}
	case isCommon(name, password):
		return &InvalidError{Text: "the password is easy to guess: it is a common one, a name, or repeats itself; use three or four words that do not belong together"}
	}
	return nil
}

//go:embed common.txt
var commonWords string

// common is what passwords are made of most often, by its letters alone; see plainWord.
var common = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.Lines(commonWords) {
		if word = strings.TrimSpace(word); !strings.HasPrefix(word, "#") {
			words[word] = true
		}
	}
	return words
})

// isCommon reports whether a password is a common word, or a name, dressed with digits and signs, or has hardly any
// characters of its own.
func isCommon(name, password string) bool {
	lower := strings.ToLower(password)
	if fewDifferent(lower) || isRun(lower) || isRepeated(lower) {
		return true
	}
	core := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	known := func(word string) bool { return common()[word] || word == plainWord(strings.ToLower(name)) }
	for _, word := range []string{plainWord(core), plainWord(unleet.Replace(core))} {
		if known(word) || utf8.RuneCountInString(word) < 3 && len(password) < longDigits {
			return true
		}
		for i := range word { // two of them in a row
			if i > 0 && known(word[:i]) && known(word[i:]) {
				return true
			}
		}
	}
	return false
}

// longDigits is how long a password of hardly any letters must be: shorter ones are dates and telephone numbers.
const longDigits = 16

// unleet undoes the usual signs for letters.
var unleet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

// plainWord is the letters of a text in lower case.
func plainWord(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, text)
}

// fewDifferent reports whether a text has at most three different characters.
func fewDifferent(text string) bool {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen) <= 3
}

// runs are what fingers and counting give.
var runs = []string{
	"01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
	"1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik", "q1w2e3r4t5y6u7i8o9p0", "qazwsxedcrfvtgbyhnujmikolp",
}

// isRun reports whether a text goes along one of the runs, forwards or backwards.
func isRun(text string) bool {
	back := []rune(text)
	slices.Reverse(back)
	for _, run := range runs {
		if strings.Contains(run, text) || strings.Contains(run, string(back)) {
			return true
		}
	}
	return false
}

// isRepeated reports whether a text is one piece of at most half its length, again and again.
func isRepeated(text string) bool {
	for n := 1; n <= len(text)/2 && n < minPassword; n++ {
		if strings.HasPrefix(strings.Repeat(text[:n], len(text)/n+1), text) {
			return true
		}
	}
	return false
}
