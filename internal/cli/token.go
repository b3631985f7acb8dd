package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/agentos/agentos/internal/auth"
)

func runToken(ctx context.Context, c *call, args []string) error {
	return manage(ctx, c, "token", args, func(accounts *auth.Service, rest []string, role auth.Role) error {
		switch {
		case len(rest) == 1 && rest[0] == "list":
			return listTokens(ctx, c, accounts)
		case len(rest) == 2 && rest[0] == "create":
			_, secret, err := accounts.CreateToken(ctx, rest[1], role, 0)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.stdout, secret) // alone, so that a script can take it
			return nil
		case len(rest) == 2 && rest[0] == "revoke":
			return accounts.RevokeToken(ctx, rest[1])
		}
		return usagef("write: token list, token create NAME --role ROLE or token revoke ID")
	})
}

func listTokens(ctx context.Context, c *call, accounts *auth.Service) error {
	tokens, err := accounts.ListTokens(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tCREATED")
	for _, t := range tokens {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, t.CreatedAt.Format("2006-01-02 15:04"))
	}
	return w.Flush()
}
