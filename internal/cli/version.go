package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is the release, set by the linker; a build from source tells its commit.
var version = "dev"

func versionText() string {
	if version != "dev" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return version
}

func runVersion(_ context.Context, c *call, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "agentos %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
