package attach

import (
	"fmt"

	"github.com/agentos/agentos/internal/db"
)

// dialect is what differs between the databases in the statements on River's tables; alias j is river_job.
type dialect struct {
	lastAt  string // when that was, as text
	output  string // JSON: the first $2 characters of what the worker recorded as its output, and how many bytes that is; of metadata above maxOutput the size of these, negative
	logsOf  string // what riverlog wrote of attempt $2: the bytes, the first $3 characters, and the last $4 or what follows the first
	lastLog string // the attempt riverlog wrote last, and the end of that, if the metadata is no more than maxLogs
}

var postgresDialect = &dialect{
	lastAt: `j.errors[array_upper(j.errors, 1)] ->> 'at'`,
	output: fmt.Sprintf(`case when pg_column_size(j.metadata) <= %[1]d then left((j.metadata -> 'output')::text, $2::int) end,
		case when pg_column_size(j.metadata) <= %[1]d then octet_length((j.metadata -> 'output')::text) else -pg_column_size(j.metadata) end`, maxOutput),
	logsOf: fmt.Sprintf(`left join lateral (select octet_length(log) size, left(log, $3::int) head,
			case when length(log) > $3::int + $4::int then right(log, $4::int) else substr(log, $3::int + 1) end tail
		from (select string_agg(e ->> 'log', '' order by n) log
			from jsonb_array_elements(case when pg_column_size(j.metadata) <= %d and jsonb_typeof(j.metadata -> 'river:log') = 'array'
				then j.metadata -> 'river:log' else '[]' end) with ordinality entries(e, n)
			where e ->> 'attempt' = $2) whole) l on true`, maxWholeLog),
	lastLog: fmt.Sprintf(`case when pg_column_size(j.metadata) <= %[1]d then j.metadata -> 'river:log' -> -1 ->> 'attempt' end,
		case when pg_column_size(j.metadata) <= %[1]d then right(j.metadata -> 'river:log' -> -1 ->> 'log', %[2]d) end`, maxLogs, maxLatest),
}

var sqliteDialect = &dialect{
	lastAt: `case when json_valid(j.errors, 9) then json_extract(j.errors, '$[#-1].at') end`,
	output: fmt.Sprintf(`case when length(j.metadata) <= %[1]d and json_valid(j.metadata, 9) then substr(j.metadata -> '$.output', 1, $2) end,
		case when length(j.metadata) > %[1]d then -length(j.metadata) when json_valid(j.metadata, 9) then octet_length(j.metadata -> '$.output') end`, maxOutput),
	logsOf: fmt.Sprintf(`left join (select octet_length(log) size, substr(log, 1, $3) head,
			case when length(log) > $3 + $4 then substr(log, -$4) else substr(log, $3 + 1) end tail
		from (select group_concat(log, '') log from (select json_extract(e.value, '$.log') log
			from river_job r, json_each(case when length(r.metadata) <= %d and json_valid(r.metadata, 9) and json_type(r.metadata, '$."river:log"') = 'array'
				then json_extract(r.metadata, '$."river:log"') else '[]' end) e
			where r.id = $1 and e.type = 'object' and cast(json_extract(e.value, '$.attempt') as text) = $2 order by e.key) parts) whole) l on true`, maxWholeLog),
	lastLog: fmt.Sprintf(`case when length(j.metadata) <= %[1]d and json_valid(j.metadata, 9) then json_extract(j.metadata, '$."river:log"[#-1].attempt') end,
		case when length(j.metadata) <= %[1]d and json_valid(j.metadata, 9) then substr(json_extract(j.metadata, '$."river:log"[#-1].log'), -%[2]d) end`, maxLogs, maxLatest),
}

func dialectOf(kind db.Kind) *dialect {
	if kind == db.Postgres {
		return postgresDialect
	}
	return sqliteDialect
}
