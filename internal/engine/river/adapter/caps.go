package adapter

import "github.com/agentos/agentos/internal/engine"

// caps are what River cannot report, whoever runs it.
var caps = engine.Caps{
	engine.CanTotals: {Why: "River keeps no counters of what ended: AgentOS sums it up."},
}

// attached are what else it cannot report where another program runs it: our own workers write these beside River's tables.
var attached = engine.Caps{
	engine.CanHeartbeat: {Why: "River keeps no heartbeat of its clients: the latest start or end of a job is the last sign of life."},
	engine.CanSlots:     {Why: "River does not record how many jobs a client may run at once."},
	engine.CanSchedules: {Why: "River's periodic jobs are known to the client that inserts them alone."},
	engine.CanEvents:    {Why: "River keeps of a job's attempts the errors and the last end: its attempts are counted once it has ended."},
	engine.CanResults:   {Answer: engine.NeedsSetting, Why: "River keeps what a job returned if it calls river.RecordOutput."},
	engine.CanLogs:      {Answer: engine.NeedsSetting, Why: "River keeps what a job logs if its clients have the middleware riverlog."},
	engine.CanProgress:  {Why: "River does not record how far a running job is."},
	engine.CanUsage:     {Why: "River does not record what jobs use and cost."},
	engine.CanVersions:  {Why: "River does not record which version of a program a client is."},
}

// About describes a River database at an address without credentials: a fleet of ours, or another program's.
func About(where string, ours bool) engine.Info {
	about := engine.Info{Engine: "river", Where: where, Caps: engine.Caps{}}
	for _, what := range engine.Capabilities() {
		about.Caps[what] = engine.Support{Answer: engine.Yes}
		if missing, lacks := caps[what]; lacks {
			about.Caps[what] = missing
		} else if missing, lacks := attached[what]; lacks && !ours {
			about.Caps[what] = missing
		}
	}
	return about
}
