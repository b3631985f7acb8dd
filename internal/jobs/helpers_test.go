package jobs

import (
	"log/slog"
	"testing"
)

// testLog writes to the test's log, which go test shows when the test fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func workerProcess([]string) int { return 0 }
