//go:build linux

package faults

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // reads the sums past the product

	"github.com/agentos/agentos/test/foreign"
	"github.com/agentos/agentos/test/servers"
)

// riverDatabase is another program's: a Postgres with River's tables.
func riverDatabase(t *testing.T) (url string, conn *pgx.Conn) {
	t.Helper()
	server := servers.StartPostgres(t)
	url, err := foreign.Create(t.Context(), server)
	if err == nil {
		conn, err = server.Connect(t.Context(), foreign.Name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return url, conn
}

// sumKey is a row of the sums.
type sumKey struct {
	kind   string
	minute int64
}

type sumRow struct{ ok, failed int64 }

// TestAttachKilled kills the server, again and again, while it reads the history of an attached database and what ends
// meanwhile. In the end the sums must be those of the jobs in the table, minute by minute, and hour by hour.
func TestAttachKilled(t *testing.T) {
	inTurn(t, moments)
	address, conn := riverDatabase(t)
	jobs, kills := pick(1_500_000, 250_000), pick(40, 8)
	if _, err := conn.Exec(t.Context(), foreign.EndedJobs, jobs, (40 * time.Hour).Seconds()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `analyze river_job`); err != nil {
		t.Fatal(err)
	}
	b := newBed(t, agents{}, func(b *bed) { b.flags = []string{"--interval", "1s", "--attach", address} })
	flow := t.Context()
	done := make(chan struct{})
	killed := 0
	for done != nil {
		b.start()
		if _, err := conn.Exec(flow, foreign.EndedJobs, 20, 1.0); err != nil {
			t.Fatal(err)
		}
		alive := time.After(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		select {
		case <-alive:
		case <-flow.Done():
			t.Fatal(flow.Err())
		}
		if killed >= kills && b.historyRead() == nil {
			done = nil
			continue
		}
		if killed > 20*kills {
			t.Fatalf("the history is not read after %d kills: %v", killed, b.historyRead())
		}
		b.kill()
		killed++
	}
	eventually(t, 40*time.Second, "the sums are those of the table", func() error {
		want, err := sumsOfTable(flow, conn)
		if err != nil {
			return err
		}
		got, err := b.sums(60)
		if err != nil {
			return err
		}
		return sameSums(got, want)
	})
	// The hours hold what is over; a minute is over some seconds after its end.
	over := time.Now().Add(-3 * time.Minute).Truncate(time.Hour).Unix()
	want, err := sumsOfTable(flow, conn)
	b.must(err)
	hours, err := b.sums(3600)
	b.must(err)
	byHour := map[sumKey]sumRow{}
	for key, row := range want {
		if hour := key.minute - key.minute%3600; hour < over {
			sum := byHour[sumKey{key.kind, hour}]
			byHour[sumKey{key.kind, hour}] = sumRow{sum.ok + row.ok, sum.failed + row.failed}
		}
	}
	maps.DeleteFunc(hours, func(key sumKey, _ sumRow) bool { return key.minute >= over })
	if err := sameSums(hours, byHour); err != nil {
		t.Errorf("by hour: %v", err)
	}
	results.addText(fmt.Sprintf("Attached to %d jobs: killed %d times while the history was read and jobs ended; the sums are those of the table, minute by minute.\n", jobs, killed))
}

// historyRead is an error until what ended before is read.
func (b *bed) historyRead() error {
	d, err := b.document()
	if err != nil {
		return err
	}
	switch a := d.Dashboard.System.Attached; {
	case a == nil:
		return errors.New("it is not attached")
	case !a.History.Done:
		return fmt.Errorf("%.1f %% are read", a.History.Percent)
	}
	return nil
}

// sums are those that the server has stored, by kind and time, of one step in seconds.
func (b *bed) sums(step int) (map[sumKey]sumRow, error) {
	pool, err := sql.Open("sqlite", "file:"+b.database()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	rows, err := pool.Query(`select agent, start_s, ok, failed from rollup where step_s = ? and agent <> ''`, step)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[sumKey]sumRow{}
	for rows.Next() {
		var key sumKey
		var row sumRow
		if err := rows.Scan(&key.kind, &key.minute, &row.ok, &row.failed); err != nil {
			return nil, err
		}
		sums[key] = row
	}
	return sums, rows.Err()
}

// sumsOfTable are those of the jobs themselves, by kind and minute.
func sumsOfTable(ctx context.Context, conn *pgx.Conn) (map[sumKey]sumRow, error) {
	rows, err := conn.Query(ctx, `select kind, extract(epoch from date_trunc('minute', finalized_at))::bigint, count(*) filter (where state = 'completed'),
		2 * count(*) filter (where state = 'discarded') from river_job group by 1, 2`)
	if err != nil {
		return nil, err
	}
	sums := map[sumKey]sumRow{}
	var key sumKey
	var row sumRow
	_, err = pgx.ForEachRow(rows, []any{&key.kind, &key.minute, &row.ok, &row.failed}, func() error {
		sums[key] = row
		return nil
	})
	return sums, err
}

func sameSums(got, want map[sumKey]sumRow) error {
	for key, row := range want {
		if got[key] != row {
			return fmt.Errorf("%s at %d has %+v, want %+v (%d and %d rows)", key.kind, key.minute, got[key], row, len(got), len(want))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("there are %d rows, want %d", len(got), len(want))
	}
	return nil
}
