package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/agentos/agentos/internal/app"
	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/config"
)

func runUser(ctx context.Context, c *call, args []string) error {
	ctx = withOperator(ctx)
	set := newFlags(c, "user")
	role := roleFlag(set)
	return manage(ctx, c, set, args, func(accounts *auth.Service, rest []string) error {
		switch {
		case len(rest) == 1 && rest[0] == "list":
			return listUsers(ctx, c, accounts)
		case len(rest) == 2 && rest[0] == "add":
			password, err := readPassword(c)
			if err != nil {
				return err
			}
			return accounts.CreateUser(ctx, rest[1], password, cmp.Or(*role, auth.RoleViewer))
		case len(rest) == 2 && rest[0] == "passwd":
			password, err := readPassword(c)
			if err != nil {
				return err
			}
			return accounts.SetPassword(ctx, rest[1], password)
		case len(rest) == 2 && rest[0] == "role" && *role != "":
			return accounts.SetRole(ctx, rest[1], *role)
		case len(rest) == 2 && rest[0] == "remove":
			return accounts.DeleteUser(ctx, rest[1])
		}
		return usagef("write: user list, user add NAME --role ROLE, user passwd NAME, user role NAME --role ROLE or user remove NAME")
	})
}

// roleFlag adds --role; nobody gave it when it stays empty.
func roleFlag(set *flag.FlagSet) *auth.Role {
	role := new(auth.Role)
	set.Func("role", "viewer, operator or admin (default: viewer)", func(text string) (err error) {
		*role, err = auth.ParseRole(text)
		return err
	})
	return role
}

func listUsers(ctx context.Context, c *call, accounts *auth.Service) error {
	users, err := accounts.ListUsers(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tCREATED")
	for _, u := range users {
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, u.Role, u.CreatedAt.Format("2006-01-02 15:04"))
	}
	return w.Flush()
}

// readPassword takes one line of standard input, so that a password stands in no process list and no shell history.
func readPassword(c *call) (string, error) {
	fmt.Fprint(c.stderr, "password (one line on standard input): ")
	line, err := bufio.NewReader(c.stdin).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("no password was given: %w", errors.Join(err, usagef("write it on standard input")))
	}
	return line, nil
}

// manage opens the accounts of a data folder for one change beside a server that may be running.
func manage(ctx context.Context, c *call, set *flag.FlagSet, args []string,
	change func(accounts *auth.Service, rest []string) error,
) (err error) {
	loader := config.Register(set, "config", "data", "database", "log-level", "log-format")
	rest, err := parse(set, args)
	if err != nil {
		return err
	}
	cfg, err := loader.Load(clientEnv(c.getenv), nil)
	if err != nil {
		return err
	}
	log := app.NewLogger(c.stderr, cfg)
	database, err := app.OpenExisting(ctx, c.caller(), cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Close()) }()
	accounts, err := auth.Open(ctx, database, auth.Options{Log: log})
	if err != nil {
		return err
	}
	return change(accounts, rest)
}
