// Package replaced is the dashboard that AgentOS replaces, to measure it: six calls, one after the other, each of which asks the
// database on every request. A seventh, /api/all, asks for the six side by side: the rebuild of the design that came next.
package replaced

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

//go:embed page.html
var page []byte

// timeout is the deadline of one call: long, so that a slow answer is measured and not an error.
const timeout = 2 * time.Minute

// Serve answers on the address until it fails or ctx ends. database is a Postgres URL.
func Serve(ctx context.Context, addr, database string) error {
	pool, err := Open(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	server := &http.Server{Addr: addr, Handler: Handler(pool), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the replaced dashboard: %w", err)
	}
	return nil
}

// Open gives the pool of connections that the dashboard uses.
func Open(ctx context.Context, database string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20
	return pgxpool.NewWithConfig(ctx, config)
}

// Handler serves the page and its calls.
func Handler(pool *pgxpool.Pool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // a viewer who has gone needs no answer
	})
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	for name, p := range queries {
		mux.HandleFunc("GET /api/"+name, answer(func(ctx context.Context) (any, error) { return p.ask(ctx, pool) }))
	}
	mux.HandleFunc("GET /api/all", answer(func(ctx context.Context) (any, error) { return rebuild(ctx, pool) }))
	return mux
}

func answer(ask func(context.Context) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		data, err := ask(ctx)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(data) // a viewer who has gone needs no answer
	}
}

// ask runs the statements of a part one after the other.
func (p part) ask(ctx context.Context, pool *pgxpool.Pool) (map[string][]map[string]any, error) {
	lists := map[string][]map[string]any{}
	for name, statement := range p {
		rows, err := pool.Query(ctx, statement)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if lists[name], err = pgx.CollectRows(rows, pgx.RowToMap); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return lists, nil
}

// rebuild asks for all parts side by side.
func rebuild(ctx context.Context, pool *pgxpool.Pool) (map[string]any, error) {
	results := make([]any, len(Parts))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range Parts {
		group.Go(func() (err error) {
			results[i], err = queries[name].ask(ctx, pool)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := map[string]any{}
	for i, name := range Parts {
		all[name] = results[i]
	}
	return all, nil
}
