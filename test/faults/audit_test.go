//go:build linux

package faults

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The audit reads the database file from outside, read-only, and compares what it holds with what was promised.

// query gives the first column of all rows as texts.
func (b *bed) query(statement string, args ...any) ([]string, error) {
	database, err := sql.Open("sqlite", "file:"+b.database()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer database.Close()
	rows, err := database.Query(statement, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", statement, err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		list = append(list, text.String)
	}
	return list, rows.Err()
}

// none is an error that shows the rows a statement finds, when it finds any.
func (b *bed) none(what, statement string) error {
	rows, err := b.query(statement)
	switch {
	case err != nil:
		return err
	case len(rows) > 0:
		return fmt.Errorf("%s: %d, such as %s", what, len(rows), strings.Join(rows[:min(len(rows), 5)], "; "))
	}
	return nil
}

// drain waits until no job waits or runs any more.
func (b *bed) drain(timeout time.Duration) time.Duration {
	b.t.Helper()
	return eventually(b.t, timeout, "every job ends", func() error {
		if err := b.server.alive(); err != nil {
			b.t.Fatal(err)
		}
		return b.none("jobs that have not ended", `
			select kind || ' ' || id || ' is ' || state || ' after ' || attempt || ' attempts, due ' || scheduled_at from river_job
			where state not in ('completed', 'discarded', 'cancelled')`)
	})
}

// audit checks a drained database and returns how many promised jobs were lost.
func (b *bed) audit(l *load) int {
	b.t.Helper()
	for answer, times := range l.answers() {
		if answer != "503 Service Unavailable" {
			b.t.Errorf("a new job was answered %d times with %s", times, answer)
		}
	}
	lost := 0
	for _, id := range l.ids() {
		rows, err := b.query(`select kind || ' ' || state from river_job where id = $1`, id)
		b.must(err)
		if len(rows) != 1 {
			lost++
			b.t.Errorf("job %d for %s was promised and is gone", id, l.promised[id])
		} else if kind, _, _ := strings.Cut(rows[0], " "); kind != l.promised[id] {
			b.t.Errorf("job %d was promised for %s and is for %s", id, l.promised[id], kind)
		}
	}
	for what, statement := range invariants {
		if err := b.none(what, statement); err != nil {
			b.t.Error(err)
		}
	}
	b.auditRollups()
	b.must(b.none("damage of the file", `select * from pragma_integrity_check where integrity_check <> 'ok'`))
	return lost
}

// invariants are statements that find what must not be, once every job has ended.
var invariants = map[string]string{
	"jobs in a wrong state": `
		select kind || ' ' || id || ' is ' || state || ': ' || json(errors) from river_job
		where not (state = 'completed' and kind <> 'doomed' or state = 'discarded' and kind = 'doomed')`,
	"completed jobs without exactly one ok run": `
		select j.kind || ' ' || j.id || ' has ' || count(r.id) from river_job j left join run r on r.job_id = j.id and r.outcome = 'ok'
		where j.state = 'completed' group by j.id having count(r.id) <> 1`,
	"ok runs of jobs that are not completed": `
		select j.kind || ' ' || j.id || ' is ' || j.state from river_job j join run r on r.job_id = j.id and r.outcome = 'ok'
		where j.state <> 'completed'`,
	"runs that never ended": `
		select 'run ' || id || ' of ' || agent || ' ' || job_id || ' is ' || outcome from run where ended_ms is null or outcome = 'running'`,
	"runs that ended before they began": `
		select 'run ' || id from run where ended_ms < started_ms or run_ms < 0 or wait_ms < 0`,
	"attempts of one job at the same time": `
		select 'runs ' || a.id || ' and ' || b.id || ' of ' || a.agent || ' ' || a.job_id from run a join run b
		on a.job_id = b.job_id and a.id < b.id and b.started_ms < a.ended_ms`,
	"completed parents without exactly two children": `
		select 'parent ' || p.id || ' has ' || count(c.id) from river_job p
		left join river_job c on c.kind = 'child' and json_extract(c.args, '$.parent') = p.id
		where p.kind = 'parent' and p.state = 'completed' group by p.id
		having count(c.id) <> 2 or count(distinct json_extract(c.args, '$.n')) <> 2`,
	"children without a completed parent": `
		select 'child ' || c.id from river_job c left join river_job p on p.id = json_extract(c.args, '$.parent') and p.state = 'completed'
		where c.kind = 'child' and p.id is null`,
}

// auditRollups waits until the sums equal the runs: in the rollups and in what viewers are shown.
func (b *bed) auditRollups() {
	b.t.Helper()
	const ofRuns = `select count(*) || ' ' || sum(outcome = 'ok') || ' ' || sum(outcome in ('failed', 'timeout', 'lost')) || ' ' || sum(outcome = 'cancelled') from run`
	const ofRollups = `select coalesce(sum(ok + failed + timeout + lost + cancelled), 0) || ' ' || coalesce(sum(ok), 0) || ' ' || coalesce(sum(failed + timeout + lost), 0) || ' ' || coalesce(sum(cancelled), 0)
		from rollup where step_s = $1 and agent = '' and queue = ''`
	eventually(b.t, 20*time.Second, "the rollups equal the runs", func() error {
		runs, err := b.query(ofRuns)
		if err != nil {
			return err
		}
		for _, step := range []int{60, 3600} {
			sums, err := b.query(ofRollups, step)
			if err != nil {
				return err
			}
			if sums[0] != runs[0] {
				return fmt.Errorf("step %d: runs, ok, failed and cancelled are %s in the rollups, %s in the runs", step, sums[0], runs[0])
			}
		}
		d, err := b.document()
		if err != nil {
			return err
		}
		day := d.Analytics.Day
		if day.Cancelled == nil {
			return errors.New("it is not known how many were cancelled")
		}
		if shown := fmt.Sprintf("%d %d %d %d", day.Runs, day.OK, day.Failed, *day.Cancelled); shown != runs[0] {
			return fmt.Errorf("runs, ok, failed and cancelled are %s on screen, %s in the runs", shown, runs[0])
		}
		return nil
	})
}
