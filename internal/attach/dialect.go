package attach

import (
	"fmt"

	"github.com/agentos/agentos/internal/db"
)

// dialect is what differs between the databases in the statements on River's tables; alias j is river_job.
type dialect struct {
	lastClient string // the River client of the last attempt
	errors     string // how many attempts failed; asked only of jobs that may have some
	lastError  string // the text of the last error, shortened
	lastAt     string // when that was, as text
	output     string // JSON: what the worker recorded as its output
	logsOf     string // JSON: what riverlog wrote, if it is no more than maxLogs
}

var postgresDialect = &dialect{
	lastClient: `j.attempted_by[array_upper(j.attempted_by, 1)]`,
	errors:     `case when j.attempt > 1 or j.state <> 'completed' then coalesce(array_length(j.errors, 1), 0) else 0 end`,
	lastError:  `left(j.errors[array_upper(j.errors, 1)] ->> 'error', 300)`,
	lastAt:     `j.errors[array_upper(j.errors, 1)] ->> 'at'`,
	output:     fmt.Sprintf(`case when pg_column_size(j.metadata) <= %d then (j.metadata -> 'output')::text end`, maxOutput),
	logsOf:     fmt.Sprintf(`case when pg_column_size(j.metadata) <= %d then (j.metadata -> 'river:log')::text end`, maxLogs),
}

var sqliteDialect = &dialect{
	lastClient: `case when json_valid(j.attempted_by, 9) then json_extract(j.attempted_by, '$[#-1]') end`,
	errors: `case when (j.attempt > 1 or j.state <> 'completed') and json_valid(j.errors, 9) and json_type(j.errors) = 'array'
		then json_array_length(j.errors) else 0 end`,
	lastError: `case when json_valid(j.errors, 9) then substr(json_extract(j.errors, '$[#-1].error'), 1, 300) end`,
	lastAt:    `case when json_valid(j.errors, 9) then json_extract(j.errors, '$[#-1].at') end`,
	output:    fmt.Sprintf(`case when length(j.metadata) <= %d and json_valid(j.metadata, 9) then j.metadata -> '$.output' end`, maxOutput),
	logsOf: fmt.Sprintf(`case when length(j.metadata) <= %d and json_valid(j.metadata, 9)
		then json(json_extract(j.metadata, '$."river:log"')) end`, maxLogs),
}

func dialectOf(kind db.Kind) *dialect {
	if kind == db.Postgres {
		return postgresDialect
	}
	return sqliteDialect
}
