package replaced

// part is one of the six calls: named lists, each a statement on River's tables. They are written as one writes them who knows
// SQL and River, asks for what the page shows and no more, and has an index for most of it.
type part map[string]string

// Parts are the names of the calls, in the order in which the page makes them.
var Parts = []string{"system", "workers", "queue", "jobs", "agents", "analytics"}

var queries = map[string]part{
	"system": {
		"states": `select state::text, count(*) from river_job group by state order by state`,
	},
	"workers": {
		"workers": `select attempted_by[array_upper(attempted_by, 1)] as worker, count(*) as running, min(attempted_at) as since
			from river_job where state = 'running' group by 1 order by 1`,
	},
	"queue": {
		"queues": `select queue, count(*) filter (where state = 'available') as waiting, count(*) filter (where state = 'running') as running,
			count(*) filter (where state in ('retryable', 'scheduled')) as later, min(scheduled_at) filter (where state = 'available') as oldest
			from river_job where state in ('available', 'running', 'retryable', 'scheduled') group by queue order by queue`,
		"paused": `select name, paused_at from river_queue where paused_at is not null order by name`,
	},
	"jobs": {
		"newest": `select id, kind, queue, state::text, attempt, created_at, attempted_at, finalized_at from river_job
			order by id desc limit 50`,
		"running": `select id, kind, queue, attempt, attempted_at from river_job where state = 'running' order by id limit 20`,
		"failures": `select id, kind, queue, attempt, finalized_at, errors[array_upper(errors, 1)] ->> 'error' as error from river_job
			where state = 'discarded' order by finalized_at desc limit 20`,
		"today": `select count(*) as created from river_job where created_at >= date_trunc('day', now())`,
	},
	"agents": {
		"kinds": `select kind, count(*) as jobs, count(*) filter (where state = 'completed') as completed,
			round(100.0 * count(*) filter (where state = 'completed') / count(*), 1)::float8 as success_rate, max(finalized_at) as last
			from river_job where state in ('completed', 'discarded', 'cancelled') and finalized_at >= now() - interval '24 hours'
			group by kind order by kind`,
	},
	"analytics": {
		"percentiles": `select count(*) as jobs,
			percentile_cont(0.5) within group (order by extract(epoch from finalized_at - attempted_at)) as p50,
			percentile_cont(0.95) within group (order by extract(epoch from finalized_at - attempted_at)) as p95,
			percentile_cont(0.99) within group (order by extract(epoch from finalized_at - attempted_at)) as p99
			from river_job where state in ('completed', 'discarded') and finalized_at >= now() - interval '24 hours'`,
		"hours": `select date_trunc('hour', finalized_at) as hour, count(*) filter (where state = 'completed') as completed,
			count(*) filter (where state = 'discarded') as failed
			from river_job where state in ('completed', 'discarded') and finalized_at >= now() - interval '24 hours' group by 1 order by 1`,
	},
}
