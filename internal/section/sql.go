package section

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/agentos/agentos/internal/db"
)

// connections is how many a database gets for all sections together.
const connections = 2

// sql reads rows in a transaction that may only read.
func (v *visit) sql(ctx context.Context, s *SQL) (any, error) {
	if err := checkStatement(s.Query); err != nil {
		return nil, err
	}
	address, err := v.address(s)
	if err != nil {
		return nil, err
	}
	database, err := v.c.database(address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no database at this path: correct it, or start the server once if it is ours")
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	tx, err := database.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: database.Kind == db.Postgres}) // SQLite is opened for reading
	if err != nil {
		return nil, fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	rows, err := tx.QueryContext(ctx, s.Query)
	if err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	defer rows.Close()
	return scan(rows)
}

func (v *visit) address(s *SQL) (string, error) {
	switch {
	case s.File != "":
		return (&url.URL{Scheme: "sqlite", Path: s.File}).String(), nil
	case s.Env == "":
		if v.c.options.Database == "" {
			return "", errors.New("there is no database of our own here: write database: {env: NAME}")
		}
		return v.c.options.Database, nil
	}
	address, err := v.secret(Secret{Env: s.Env})
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(address); err == nil && u.User != nil {
		if password, has := u.User.Password(); has {
			v.secrets = append(v.secrets, password)
		}
	}
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") && !strings.HasPrefix(address, "sqlite://") {
		return "", fmt.Errorf("the variable %s holds no address of a database: write postgres://user@host/name, or sqlite:///path/file.db", s.Env)
	}
	return address, nil
}

// database returns the pool of an address.
func (c *Collector) database(address string) (*db.DB, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open := c.databases[address]; open != nil {
		return open, nil
	}
	opened, err := db.AttachForQueries(address, connections, MaxTimeout, nil)
	if err != nil {
		return nil, err
	}
	c.databases[address] = opened
	return opened, nil
}

// table is rows with named columns. More counts those that were not kept.
type table struct {
	columns []string
	rows    [][]any
	more    int
}

const maxCounted = 10_000 // rows that are read to count them

func scan(rows *sql.Rows) (*table, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	t := &table{columns: names}
	for rows.Next() {
		if len(t.rows) == maxKept {
			if t.more++; t.more == maxCounted {
				break
			}
			continue
		}
		row := make([]any, len(names))
		to := make([]any, len(names))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, fmt.Errorf("sql: %w", err)
		}
		for i, cell := range row { // a driver's bytes are texts here
			if raw, ok := cell.([]byte); ok {
				row[i] = string(raw)
			}
		}
		t.rows = append(t.rows, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	return t, nil
}
