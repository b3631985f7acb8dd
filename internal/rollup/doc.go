// Package rollup sums up ended attempts by minute and by hour. The sums outlive the jobs, for every engine: a worker of ours adds each ended
// attempt exactly once (AddEnded), a reader of another program's jobs puts in what it counted (Minutes, Replace, AddHours).
package rollup
