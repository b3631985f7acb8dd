package document

import "time"

// Analytics is the section `analytics`: the attempts of the last hour and the last 24 hours.
type Analytics struct {
	// Percent over 24 h; null: none ended.
	SuccessRate *float64 `json:"success_rate"`
	Hour        Window   `json:"hour"`
	Day         Window   `json:"day"`
	// The last hour by minute.
	Throughput Series `json:"throughput"`
	// The last day by quarter of an hour.
	ThroughputDay Series `json:"throughput_day"`
	// Every attempt that ended before is counted.
	CompleteTo time.Time `json:"complete_to"`
	// Which of the windows, hour and day, are not exact.
	Inexact map[string]Inexact `json:"inexact,omitempty"`
}

// Window sums up all attempts that ended in a span of time.
type Window struct {
	Runs int64 `json:"runs"`
	OK   int64 `json:"ok"`
	// Timeouts and lost attempts included.
	Failed int64 `json:"failed"`
	// Null: not recorded.
	Cancelled *int64 `json:"cancelled"`
	// Percent: ok of ok and failed; null: none ended.
	SuccessRate *float64 `json:"success_rate"`
	PerMinute   float64  `json:"per_minute"`
	// Seconds of the span that are recorded; what was before the first start is not.
	RecordedS int64 `json:"recorded_s" schema:"optional"`
	// From start to end.
	Run Percentiles `json:"run"`
	// From being due to being started.
	Wait Percentiles `json:"wait"`
	// Null: not recorded.
	Usage *Usage `json:"usage"`
}

// Percentiles are of times in milliseconds, with a relative error of at most 1 %; null: nothing was measured.
type Percentiles struct {
	P50MS *float64 `json:"p50_ms"`
	P95MS *float64 `json:"p95_ms"`
	P99MS *float64 `json:"p99_ms"`
	MaxMS *float64 `json:"max_ms"`
}

// Usage is what agents report to have consumed.
type Usage struct {
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
}

// Series counts ended attempts in consecutive buckets of step_s seconds from start on.
type Series struct {
	Start time.Time `json:"start"`
	StepS int       `json:"step_s"`
	// Null where nothing was recorded yet.
	OK []*int64 `json:"ok"`
	// Null where nothing was recorded yet.
	Failed []*int64 `json:"failed"`
	// Null where nothing was recorded yet; empty: the engine does not record it.
	Cancelled []*int64 `json:"cancelled"`
	// Of the run time; null where nothing ended; empty: the engine does not record it.
	P95MS []*float64 `json:"p95_ms"`
}
