package cli

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/agentos/agentos/internal/auth"
)

// withOperator notes in ctx, for the audit log, which of the system's users runs this command, and on which machine.
func withOperator(ctx context.Context) context.Context {
	uid := os.Getuid()
	actor := auth.Actor{Name: "uid " + strconv.Itoa(uid), Kind: auth.KindLocal, Remote: "cli"}
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil && found.Username != "" {
		actor.Name = found.Username
	}
	if host, err := os.Hostname(); err == nil {
		actor.Remote = "cli on " + host
	}
	// Who became root by sudo is the one to ask.
	if by := os.Getenv("SUDO_USER"); by != "" && uid == 0 {
		actor.Remote += fmt.Sprintf(" (sudo by %.40s)", by)
	}
	if name := os.Getenv("AGENTOS_AGENT"); name != "" {
		actor.Remote += fmt.Sprintf(" (in a job of %.63s)", name)
	}
	return auth.WithActor(ctx, actor)
}
