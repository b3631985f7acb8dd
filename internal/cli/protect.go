package cli

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"github.com/agentos/agentos/internal/config"
)

// Protect keeps what this process knows from other processes of the same user, its agents before all: on Linux nobody but root
// can read its memory and its environment any more, and passwords are taken out of what /proc shows of both its command line and its
// environment, which hold for root too. It returns the arguments, which are no longer in that memory. It is the first thing
// that a program does.
func Protect(args []string) []string {
	if len(args) > 0 && args[0] == "supervisor" {
		return args // it sees to itself
	}
	own := make([]string, len(args))
	for i, arg := range args {
		own[i] = strings.Clone(arg)
	}
	conceal(slices.Concat(config.Secrets(), []string{"PGPASSWORD"}))
	return own
}

// withoutPassword takes the first admin's password out of the environment: nothing that this process starts has a use for it.
// The URLs stay, for agents whose pass_env names them.
func withoutPassword(getenv func(string) string) func(string) string {
	const name = "AGENTOS_ADMIN_PASSWORD"
	password := strings.Clone(getenv(name))
	_ = os.Unsetenv(name)
	return func(asked string) string {
		if asked == name {
			return password
		}
		return getenv(asked)
	}
}

// blankSecrets overwrites with x what follows "NAME=" for each of the names, in a block of texts that end with NUL.
func blankSecrets(block []byte, names []string) (changed bool) {
	for len(block) > 0 {
		text, rest, _ := bytes.Cut(block, []byte{0})
		for _, name := range names {
			if strings.HasPrefix(string(text), name+"=") {
				blank(text[len(name)+1:])
				changed = true
			}
		}
		block = rest
	}
	return changed
}

// blankPasswords overwrites with x the passwords of URLs and of "password=…" in a block of texts that end with NUL.
func blankPasswords(block []byte) (changed bool) {
	for len(block) > 0 {
		text, rest, _ := bytes.Cut(block, []byte{0})
		for _, span := range config.PasswordsIn(string(text)) {
			blank(text[span[0]:span[1]])
			changed = true
		}
		block = rest
	}
	return changed
}

func blank(secret []byte) {
	for i := range secret {
		secret[i] = 'x'
	}
}
