// Package engine is the model of what a job engine can report: jobs, attempts, queues, workers, figures, and the errors and filters that
// callers know. It asks nobody: internal/engine/river reads River's tables into these types.
//
// Times are what the engine keeps, even where that is no time (Time). Figures that are not known are null, never 0.
package engine
