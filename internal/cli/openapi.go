package cli

import (
	"context"

	"github.com/agentos/agentos/internal/server"
)

func runOpenAPI(_ context.Context, c *call, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	text, err := server.OpenAPI()
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(text)
	return err
}
