package cli

import (
	"cmp"
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/agentos/agentos/internal/auth"
)

func runToken(ctx context.Context, c *call, args []string) error {
	ctx = withOperator(ctx)
	set := newFlags(c, "token")
	role := roleFlag(set)
	owner := set.String("owner", "", "user whose rights it has and whose deletion ends it (default: a service token)")
	service := set.Bool("service", false, "a token with rights of its own; the default without --owner")
	ttl := set.Duration("ttl", 0, "time until it expires, such as 720h (default: never)")
	return manage(ctx, c, set, args, func(accounts *auth.Service, rest []string) error {
		switch {
		case len(rest) == 1 && rest[0] == "list":
			return listTokens(ctx, c, accounts)
		case len(rest) == 2 && rest[0] == "create":
			_, secret, err := accounts.CreateToken(ctx, auth.TokenParams{
				Name: rest[1], Role: cmp.Or(*role, auth.RoleViewer), TTL: *ttl, Owner: *owner, Service: *service,
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.stdout, secret) // alone, so that a script can take it
			return nil
		case len(rest) == 2 && rest[0] == "revoke":
			return accounts.RevokeToken(ctx, rest[1])
		}
		return usagef("write: token list, token create NAME --role ROLE [--owner USER | --service] or token revoke ID")
	})
}

func listTokens(ctx context.Context, c *call, accounts *auth.Service) error {
	tokens, err := accounts.ListTokens(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tROLE\tOWNER\tCREATED BY\tCREATED")
	for _, t := range tokens {
		owner := "(service)"
		if t.Owner != nil {
			owner = *t.Owner
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Effective, owner, t.CreatedBy, t.CreatedAt.Format("2006-01-02 15:04"))
	}
	return w.Flush()
}
