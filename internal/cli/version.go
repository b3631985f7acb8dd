package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/agentos/agentos/internal/app"
)

func runVersion(_ context.Context, c *call, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "agentos %s %s %s/%s\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
