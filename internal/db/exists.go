package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// ErrNoDatabase means that there is no database of AgentOS where one was looked for.
var ErrNoDatabase = errors.New("there is no database of AgentOS")

// OpenExisting is Open for a database that is there already and holds our tables: it makes neither file nor tables. The error is
// an [ErrNoDatabase] when there is none.
func OpenExisting(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	if !isPostgres(rawURL) {
		path, err := sqlitePath(rawURL)
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
			return nil, fmt.Errorf("%w at %s", ErrNoDatabase, path)
		}
	}
	d, err := Open(ctx, rawURL, log)
	if err != nil {
		return nil, err
	}
	found, err := d.schema(ctx, d.Read)
	if err == nil && found.own == 0 {
		err = fmt.Errorf("%w in %s", ErrNoDatabase, d.name())
	}
	if err != nil {
		return nil, errors.Join(Wrap(err), d.Close())
	}
	return d, nil
}
