package db

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// tracer sees every statement on its way to Postgres, River's included. One that comes without a deadline gets one: the
// server's own timeouts do not help against a server that hangs.
type tracer struct {
	observer *observer
	timeout  time.Duration
}

type cancelKey struct{}

func (t *tracer) bound(ctx context.Context) context.Context {
	if _, has := ctx.Deadline(); has {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	return context.WithValue(ctx, cancelKey{}, cancel)
}

func (t *tracer) release(ctx context.Context) {
	if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.observer.observe(data.SQL, t.named(data.Args))
	return t.bound(ctx)
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	t.release(ctx)
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, query := range data.Batch.QueuedQueries {
		t.observer.observe(query.SQL, t.named(query.Arguments))
	}
	return t.bound(ctx)
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (t *tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	t.release(ctx)
}

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (t *tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	t.observer.observe("copy "+data.TableName.Sanitize()+" ("+strings.Join(data.ColumnNames, ", ")+") from stdin", nil)
	return t.bound(ctx)
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (t *tracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	t.release(ctx)
}

// named gives arguments the form that database/sql has; nil when nobody looks.
func (t *tracer) named(args []any) []driver.NamedValue {
	if t.observer.trace.Load() == nil {
		return nil
	}
	values := make([]driver.NamedValue, 0, len(args))
	for _, arg := range args {
		switch arg.(type) {
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryExecMode, pgx.QueryRewriter:
			continue // say how to run the statement
		}
		values = append(values, driver.NamedValue{Ordinal: len(values) + 1, Value: arg})
	}
	return values
}
