package db_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agentos/agentos/internal/db/dbtest"
)

// Tokens from before tokens had owners get the owner that can be inferred.
func TestStepBindsTokensToTheirMakers(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		d := dbtest.OpenURL(t, url)
		exec(t, d, `create table agentos_migration (version bigint primary key, name text not null, applied_ms bigint not null)`)
		files, err := filepath.Glob("migrations/" + string(d.Kind) + "/*.sql") // sorted
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(file, "/0005_") {
				exec(t, d, `insert into auth_user (name, role, password_hash, created_at, password_at) values ('ada', 'admin', 'x', 0, 0)`)
				for name, maker := range map[string]string{"hers": "ada", "commands": "local", "gone": "bob", "tokens": "ci"} {
					exec(t, d, `insert into auth_token (id, hash, name, role, created_by, created_at) values ($1, $1, $1, 'admin', $2, 0)`, name, maker)
				}
				exec(t, d, `insert into audit (at, actor, kind, action, target, outcome, detail, remote) values
					(1, 'bob', 'session', 'token.create', 'gone', 'ok', 'role admin, id gone', ''),
					(1, 'ci', 'token', 'token.create', 'tokens', 'ok', 'role admin, id tokens', ''),
					(1, 'ada', 'session', 'job.retry', 'job 1', 'ok', '', '')`)
			}
			exec(t, d, string(text))
		}
		rows, err := d.Read.QueryContext(t.Context(), `select name || ' ' || coalesce(owner, '-') from auth_token order by name`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			got = append(got, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if want := "commands -, hers ada, tokens -"; strings.Join(got, ", ") != want {
			t.Errorf("tokens: %q, want %q", got, want)
		}
		var accounts int
		if err := d.Read.QueryRowContext(t.Context(), `select count(*) from audit where class = 'account'`).Scan(&accounts); err != nil || accounts != 2 {
			t.Errorf("%d entries about accounts, want 2; %v", accounts, err)
		}
	})
}
