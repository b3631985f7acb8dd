package document

import "time"

// System is the section `system`: the host, or the control group that confines the process that collected the document, and whether
// all is well. A figure that could not be read is null.
type System struct {
	Status SystemStatus `json:"status"`
	// Why the status is not "healthy", in English, the worst first.
	Reasons []string `json:"reasons"`
	// The reasons as codes with parameters, by code; those of components by "component NAME".
	Conditions map[string]Condition `json:"conditions" schema:"optional"`
	// Percent of all processors, since the collection before; null: unknown, as at the first collection.
	CPU *float64 `json:"cpu"`
	// Percent; null: unknown.
	Memory *float64 `json:"memory"`
	// Percent, of the disk that the data folder is on; null: unknown.
	Disk *float64 `json:"disk"`
	// What the figures are about.
	Scope Scope `json:"scope"`
	// How many processors there are; a control group may have a part of one.
	CPUs             float64 `json:"cpus"`
	MemoryUsedBytes  uint64  `json:"memory_used_bytes"`
	MemoryTotalBytes uint64  `json:"memory_total_bytes"`
	DiskUsedBytes    uint64  `json:"disk_used_bytes"`
	DiskTotalBytes   uint64  `json:"disk_total_bytes"`
	// The machine's name.
	Host string `json:"host"`
	// Of AgentOS.
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	UptimeS   int64     `json:"uptime_s"`
	Process   Process   `json:"process"`
	// By name: database, cache, warmer, clock, and what else this process depends on.
	Components map[string]Component `json:"components"`
	// Where the jobs of another program are; null: the jobs are our own.
	Attached *Attached `json:"attached" schema:"optional"`
	// What runs the jobs.
	Engine Engine `json:"engine" schema:"optional"`
}

// SystemStatus is the worst that any condition calls for.
type SystemStatus string

// The statuses of the system.
const (
	SystemHealthy  SystemStatus = "healthy"
	SystemDegraded SystemStatus = "degraded"
	SystemCritical SystemStatus = "critical"
)

// Scope is what the figures of the system are about.
type Scope string

// The scopes.
const (
	ScopeHost   Scope = "host"
	ScopeCgroup Scope = "cgroup"
)

// Process is the process that collected the document.
type Process struct {
	// Percent of one processor.
	CPU        float64 `json:"cpu"`
	RSSBytes   uint64  `json:"rss_bytes"`
	Goroutines int     `json:"goroutines"`
}

// Component is the status of one thing that the process depends on, in words for the screen.
type Component struct {
	Status ComponentStatus `json:"status"`
	Detail string          `json:"detail"`
	// How long it took to answer; null: nothing was timed.
	TookMS *float64 `json:"took_ms"`
}

// ComponentStatus is the status of a component.
type ComponentStatus string

// The statuses of a component.
const (
	ComponentOK       ComponentStatus = "ok"
	ComponentDegraded ComponentStatus = "degraded"
	ComponentDown     ComponentStatus = "down"
)

// Condition is one reason why the status is not healthy, as a code with its parameters.
type Condition struct {
	// Its place among the reasons, which have it in English.
	Order    int           `json:"order"`
	Code     ConditionCode `json:"code"`
	Severity Severity      `json:"severity"`
	// By name: a number, a text or a list of texts.
	Params map[string]any `json:"params"`
	// The page of the dashboard that shows what it is about.
	Link string `json:"link,omitempty"`
}

// Number returns a parameter of a decoded condition that is a number; 0 when it has none of that name.
func (c Condition) Number(param string) float64 {
	n, _ := c.Params[param].(float64)
	return n
}

// Severity is how bad a condition is.
type Severity string

// The severities.
const (
	SeverityDegraded Severity = "degraded"
	SeverityCritical Severity = "critical"
)

// ConditionCode is the kind of a condition. docs/operations.md has a row for each.
type ConditionCode string

// The codes, each with its parameters.
const (
	ConditionComponent     ConditionCode = "component"      // component, status
	ConditionDisk          ConditionCode = "disk"           // percent
	ConditionMemory        ConditionCode = "memory"         // percent
	ConditionAgentsFile    ConditionCode = "agents_file"    // none
	ConditionNoWorker      ConditionCode = "no_worker"      // jobs, agents, agent or queue
	ConditionFailing       ConditionCode = "failing"        // failed, ended
	ConditionAgentFailing  ConditionCode = "agent_failing"  // agents, agent, failed, ended
	ConditionOldestWait    ConditionCode = "oldest_wait"    // wait_s, queue
	ConditionGaveUp        ConditionCode = "gave_up"        // jobs, window_s
	ConditionPausedBacklog ConditionCode = "paused_backlog" // queues, jobs, queue
	ConditionUnknown       ConditionCode = "unknown"        // parts
)

// ConditionCodes are all of them: metrics export each, so that an alert sees it end.
var ConditionCodes = []ConditionCode{
	ConditionComponent, ConditionDisk, ConditionMemory, ConditionAgentsFile, ConditionNoWorker, ConditionFailing, ConditionAgentFailing, ConditionOldestWait, ConditionGaveUp, ConditionPausedBacklog, ConditionUnknown,
}

// Attached is where the jobs of another program are: its River database, or its Redis.
type Attached struct {
	// Its URL, without password.
	Database string `json:"database"`
	// Of a River database.
	Schema string `json:"schema"`
	// Of River; 0 when unknown, or none.
	SchemaVersion int `json:"schema_version"`
	// Jobs and queues may be changed.
	Actions bool `json:"actions"`
	// What cannot be shown, and why.
	Missing []string `json:"missing"`
	// Why nothing new can be read at the moment; null: it can.
	Error *string `json:"error"`
	// How many kinds of jobs it has, shown or not; null: the engine does not report it.
	Kinds *int `json:"kinds"`
	// How old the data of the replica is, in seconds; null: it is none.
	BehindS *float64 `json:"behind_s"`
	// Null: what ended before is not read.
	History *History `json:"history"`
}

// History is how far what ended before the first start is read.
type History struct {
	Done bool `json:"done"`
	// Analytics hold every job that ended since; null: none yet.
	KnownFrom *time.Time `json:"known_from"`
	// When the oldest job ended; null: unknown.
	Oldest *time.Time `json:"oldest"`
	// How many were read.
	Jobs    int64   `json:"jobs"`
	Percent float64 `json:"percent"`
}
