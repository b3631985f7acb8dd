package agent

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(ShimMain(os.Args[2:]))
	}
	if len(os.Args) == 6 && os.Args[1] == "host" {
		os.Exit(hostMain(os.Args[2:]))
	}
	if len(os.Args) == 3 && os.Args[1] == "change-user" {
		os.Exit(changeUser(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}
