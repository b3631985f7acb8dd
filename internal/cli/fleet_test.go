package cli

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that cannot be watched, here one that is not there, costs the noticing of changes and nothing else: Run has
// no error that could end the server.
func TestFileThatCannotBeWatchedEndsNothing(t *testing.T) {
	var logged bytes.Buffer
	k := &fleetKeeper{
		path: filepath.Join(t.TempDir(), "gone", "agentos.yaml"),
		log:  slog.New(slog.NewTextHandler(&logged, nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Run(ctx, nil, nil)
	if !strings.Contains(logged.String(), "SIGHUP still reloads it") {
		t.Errorf("the log says nothing of it: %s", logged.String())
	}
}
