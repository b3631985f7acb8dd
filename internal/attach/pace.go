package attach

import "time"

// What each question may use of one connection's time, so that all together stay below 1.5 s a minute (2.5 %), however many
// jobs wait and run. A question that costs more is asked less often, and its answer shown with its age.
const (
	shareEnded    = 0.009 // what ended since the last time: the only one whose cost grows with the flow
	shareWaiting  = 0.005 // how many wait, by state and queue
	shareKinds    = 0.003 // how many wait, by kind
	shareRunning  = 0.002 // which run
	shareLongest  = 0.002 // which of them run longest
	shareFailures = 0.001
	shareLogs     = 0.001
	shareCreated  = 0.001
	shareBehind   = 0.01 // until those of a day that has begun long ago are counted

	// shareFilling comes on top, until all that ended before the first start is read.
	shareFilling = 0.2
)

// askTimeout is for a database that does not keep to its own statement timeout.
const askTimeout = 15 * time.Second
