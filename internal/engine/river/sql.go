package river

import (
	"encoding/json"
	"fmt"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/engine"
)

// dialect is what differs between the databases in our statements: mostly River's own columns, JSON in blobs and times as
// text on SQLite, jsonb, arrays and timestamptz on Postgres. Alias j is river_job. What other programs wrote there may be
// malformed and must not fail a whole list.
type dialect struct {
	kind db.Kind

	lastClient  string // the River client of the last attempt
	lastError   string // the text of the last error, shortened
	argsSize    string // bytes of the arguments
	argsText    string // null beyond 16 KB: a list must not turn megabytes into text
	argsPart    string // the first $2 characters of the arguments, and how many bytes they are; null beyond maxStored
	searched    string // what of the arguments and the last error is searched
	searchCost  string // about how many bytes that is
	stateOf     string // the state, where it must not lead SQLite to the index of states and to sorting all of one
	tagsJSON    string
	errorsTotal string // how many errors there are
	errorsPart  string // a select of numbers from 1 and the JSON of some errors of job $1: the last of those before $2, at most $3
	// cancelNote is when the attempt was asked to end, as text of some form of RFC 3339, or null.
	cancelNote    string
	withoutCancel string // metadata without that note, and without losses
	losses        string // workers that died while they ran the job, see losses.go
	withLosses    string // metadata with parameter %[1]d as their number
	withError     string // errors with parameter %[1]d, an object, as the last
	cancelled     string // whether there is anything of it
	holdsKey      string // whether a job with a unique key keeps others with that key out, in its state
	kindsOfQueues string // state, kind and number of the jobs in the queues that stateQueues names
	lastRuns      string // agent, outcome and end of the run of each agent in $1 that ended last
	lastFailures  string // agent, id, job, end and error of the run of each agent in $1 that failed last
	oldestMS      string // of a group of jobs: when the first of those that are available is due
	endText       string // finalized_at, as one can compare with it
	endIsText     string // whether one can
	now           string // the database's clock, for a time of River's
}

var sqliteDialect = &dialect{
	kind:       db.SQLite,
	lastClient: `case when json_valid(j.attempted_by, 9) then json_extract(j.attempted_by, '$[#-1]') end`,
	lastError:  sqliteLastError,
	argsSize:   `length(j.args)`,
	argsText:   sqliteArgsText,
	argsPart: fmt.Sprintf(`case when length(j.args) > %[1]d then null else substr(`+sqliteArgs+`, 1, $2) end, case when length(j.args) > %[1]d
		then length(j.args) else octet_length(`+sqliteArgs+`) end`, maxStored),
	searched: `case when length(j.args) <= 1048576 then substr(` + sqliteArgs + `, 1, 262144) end,
		case when json_valid(j.errors, 9) then substr(json_extract(j.errors, '$[#-1].error'), 1, 4000) end`,
	searchCost:  `length(j.args)`,
	stateOf:     `+j.state`,
	tagsJSON:    `case when length(j.tags) <= 16384 and json_valid(j.tags, 9) then json(j.tags) end`,
	errorsTotal: `case when json_valid(j.errors, 9) and json_type(j.errors) = 'array' then json_array_length(j.errors) else 0 end`,
	errorsPart: fmt.Sprintf(`select n, case when octet_length(entry) <= %[1]d then entry
			when type = 'object' then json_object('at', json_extract(entry, '$.at'), 'attempt', json_extract(entry, '$.attempt'),
				'error', substr(json_extract(entry, '$.error'), 1, %[2]d))
			else json_quote(substr(entry, 1, %[2]d)) end
		from (select e.key + 1 n, e.type, case when e.type in ('object', 'array') then e.value else json_quote(e.value) end entry
			from river_job j, json_each(case when length(j.errors) <= %[3]d and json_valid(j.errors, 9) and json_type(j.errors) = 'array'
				then j.errors else '[]' end) e
			where j.id = $1 and e.key + 1 < $2 and e.key + 1 >= min($2, json_array_length(j.errors) + 1) - $3) some_errors`, 2*engine.MaxErrorText, engine.MaxErrorText, maxStored),
	cancelNote: `case when json_valid(j.metadata, 9) then json_extract(j.metadata, '$.cancel_attempted_at') end`,
	withoutCancel: `case when json_valid(metadata, 9) then jsonb_remove(metadata, '$.cancel_attempted_at', '$.agentos_losses')
		else metadata end`,
	cancelled: `json_valid(metadata, 9) and coalesce(json_extract(metadata, '$.cancel_attempted_at'), json_extract(metadata, '$.agentos_losses')) is not null`,
	holdsKey: `case j.state when 'available' then j.unique_states & 1 when 'cancelled' then j.unique_states & 2 when 'completed' then j.unique_states & 4
		when 'discarded' then j.unique_states & 8 when 'pending' then j.unique_states & 16 when 'retryable' then j.unique_states & 32
		when 'running' then j.unique_states & 64 when 'scheduled' then j.unique_states & 128 else 0 end >= 1`,
	kindsOfQueues: `select j.state, j.kind, count(*) from json_each($1) q cross join river_job j
		where j.state = q.value ->> 0 and j.queue = q.value ->> 1 group by 1, 2`,
	lastRuns: `select a.value, r.outcome, r.ended_ms from json_each($1) a cross join run r
		where r.id = (select id from run where agent = a.value and ended_ms is not null order by ended_ms desc limit 1)`,
	lastFailures: `select a.value, r.id, r.job_id, r.ended_ms, coalesce(substr(r.error, 1, 400), '') from json_each($1) a cross join run r
		where r.id = (select id from run where agent = a.value and outcome in ('failed', 'timeout', 'lost') order by ended_ms desc limit 1)`,
	oldestMS: `cast(unixepoch(min(case when state = 'available' then scheduled_at end), 'subsec') * 1000 as integer)`,
	endText:  `cast(finalized_at as text)`, endIsText: ` and typeof(finalized_at) = 'text' and length(finalized_at) <= 100`,
	losses: `case when json_valid(j.metadata, 9) and json_type(j.metadata, '$.agentos_losses') = 'integer'
		then json_extract(j.metadata, '$.agentos_losses') else 0 end`,
	withLosses: `jsonb_set(case when json_valid(metadata, 9) and json_type(metadata) = 'object' then metadata else jsonb('{}') end,
		'$.agentos_losses', $%[1]d)`,
	withError: `jsonb_insert(case when json_valid(errors, 9) and json_type(errors) = 'array' then errors else jsonb('[]') end,
		'$[#]', jsonb($%[1]d))`,
	now: `datetime('now', 'subsec')`,
}

const (
	sqliteArgs     = `case when json_valid(j.args, 9) then json(j.args) when typeof(j.args) = 'text' then j.args end`
	sqliteArgsText = `case when length(j.args) > 16384 then null when json_valid(j.args, 9) then json(j.args)
		when typeof(j.args) = 'text' then j.args end`
	sqliteLastError = `case when json_valid(j.errors, 9) then substr(json_extract(j.errors, '$[#-1].error'), 1, 300) end`
)

var postgresDialect = &dialect{
	kind:       db.Postgres,
	lastClient: `j.attempted_by[array_upper(j.attempted_by, 1)]`,
	lastError:  postgresLastError,
	// The size as stored, compressed: a list must not unpack what it does not show.
	argsSize: `case when pg_column_size(j.args) > 16384 then pg_column_size(j.args) else octet_length(j.args::text) end`,
	argsText: postgresArgsText,
	argsPart: fmt.Sprintf(`case when pg_column_size(j.args) <= %[1]d then left(j.args::text, $2::int) end,
		case when pg_column_size(j.args) <= %[1]d then octet_length(j.args::text) else pg_column_size(j.args) end`, maxStored),
	searched: `case when pg_column_size(j.args) <= 1048576 then left(j.args::text, 262144) end, left(j.errors[array_upper(j.errors, 1)] ->> 'error', 4000)`,
	// What is compressed may be many times as much.
	searchCost:  `case when pg_column_size(j.args) < 2000 then pg_column_size(j.args) else least(20 * pg_column_size(j.args), 262144) end`,
	stateOf:     `j.state`,
	tagsJSON:    `case when pg_column_size(j.tags) <= 16384 then left(array_to_json(j.tags)::text, 100000) end`,
	errorsTotal: `coalesce(array_length(j.errors, 1), 0)`,
	errorsPart: fmt.Sprintf(`select n, case when octet_length(entry::text) <= %[1]d then entry::text
			when jsonb_typeof(entry) = 'object' then json_build_object('at', entry -> 'at', 'attempt', entry -> 'attempt', 'error', left(entry ->> 'error', %[2]d))::text
			else to_json(left(entry::text, %[2]d))::text end
		from (select e.n, e.entry from river_job j, unnest(j.errors) with ordinality e(entry, n)
			where j.id = $1 and e.n < $2 and pg_column_size(j.errors) <= %[3]d order by e.n desc limit $3) some_errors`, 2*engine.MaxErrorText, engine.MaxErrorText, maxStored),
	cancelNote:    `j.metadata ->> 'cancel_attempted_at'`,
	withoutCancel: `metadata - array['cancel_attempted_at', 'agentos_losses']`,
	cancelled:     `metadata ?| array['cancel_attempted_at', 'agentos_losses']`,
	holdsKey:      `river_job_state_in_bitmask(j.unique_states, j.state)`,
	kindsOfQueues: fmt.Sprintf(`select q.state, j.kind, count(*) from unnest($1::text[], $2::text[]) q (state, queue) cross join lateral (
		select kind from river_job where state = q.state::river_job_state and queue = q.queue
		order by priority, scheduled_at, id limit %d) j group by 1, 2`, 2*fewInQueue),
	lastRuns: `select a.name, r.outcome, r.ended_ms from unnest($1::text[]) a (name) cross join lateral (
		select outcome, ended_ms from run where agent = a.name and ended_ms is not null order by ended_ms desc limit 1) r`,
	lastFailures: `select a.name, r.id, r.job_id, r.ended_ms, coalesce(left(r.error, 400), '') from unnest($1::text[]) a (name) cross join lateral (
		select id, job_id, ended_ms, error from run where agent = a.name and outcome in ('failed', 'timeout', 'lost') order by ended_ms desc limit 1) r`,
	oldestMS: `(extract(epoch from min(scheduled_at) filter (where state = 'available' and isfinite(scheduled_at))) * 1000)::bigint`,
	endText:  `finalized_at`,
	losses: `case when jsonb_typeof(j.metadata -> 'agentos_losses') = 'number'
		then least((j.metadata ->> 'agentos_losses')::numeric, 1000000)::int else 0 end`,
	withLosses: `case when jsonb_typeof(metadata) = 'object' then metadata else '{}' end || jsonb_build_object('agentos_losses', $%[1]d::int)`,
	withError:  `array_append(errors, $%[1]d::jsonb)`,
	now:        `now()`,
}

const (
	postgresArgsText = `case when pg_column_size(j.args) <= 16384 and octet_length(j.args::text) <= 16384 then j.args::text end`
	// An error with a NUL in it cannot be turned into text: Postgres refuses \u0000 already when it is written.
	postgresLastError = `left(j.errors[array_upper(j.errors, 1)] ->> 'error', 300)`
)

// jobColumns are what a list shows of river_job j. Never its metadata: other programs keep megabytes there.
func (d *dialect) jobColumns() string {
	return `j.id, j.kind, j.queue, j.state, j.attempt, j.max_attempts, j.priority, j.created_at, j.scheduled_at,
	j.attempted_at, j.finalized_at, ` + d.argsSize + `, ` + d.argsText + `, ` + d.lastClient + `, ` + d.lastError
}

// LastAttempt names the River client of a job's last attempt and its last error, shortened; alias j is river_job.
func LastAttempt(kind db.Kind) (client, failure string) {
	d := dialectOf(kind)
	return d.lastClient, d.lastError
}

func dialectOf(kind db.Kind) *dialect {
	if kind == db.Postgres {
		return postgresDialect
	}
	return sqliteDialect
}

// stateQueues are the parameters of kindsOfQueues.
func (d *dialect) stateQueues(keys []engine.StateQueue) []any {
	states, queues, pairs := make([]string, len(keys)), make([]string, len(keys)), make([][2]string, len(keys))
	for i, key := range keys {
		states[i], queues[i], pairs[i] = string(key.State), key.Queue, [2]string{string(key.State), key.Queue}
	}
	if d.kind == db.Postgres {
		return []any{states, queues}
	}
	text, _ := json.Marshal(pairs) // strings always encode
	return []any{string(text)}
}
