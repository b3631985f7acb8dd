package auth

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

const (
	minPassword = 8
	maxPassword = 1024
	// hashesAtOnce bounds memory: each hash takes Options.HashMemoryKiB.
	hashesAtOnce = 2
	hashWait     = 5 * time.Second
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

func (h *hasher) release() { <-h.slots }

func checkPassword(password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return &InvalidError{Text: fmt.Sprintf("the password is too short: use at least %d characters", minPassword)}
	case len(password) > maxPassword:
		return &InvalidError{Text: fmt.Sprintf("the password is too long: use at most %d bytes", maxPassword)}
	}
	return nil
}
