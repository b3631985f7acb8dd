package document

import "time"

// Meta is what the document says about itself. Package snapshot writes it.
type Meta struct {
	// The form of the document: 4.
	Version int `json:"version"`
	// Grows with each document, across restarts too.
	Revision uint64 `json:"revision"`
	// How old the whole is: when its oldest overdue section was collected, else the timestamp.
	AsOf time.Time `json:"as_of"`
	// Some section is overdue.
	Stale bool `json:"stale"`
	// The process that collected the document, "host:pid".
	Publisher string `json:"publisher,omitempty"`
	// Which fleet it is about; absent while that is unknown.
	Fleet string `json:"fleet,omitempty"`
	// How often a document is published.
	IntervalMS int64 `json:"interval_ms"`
	// Without a newer document after this time, say "stale".
	FreshMS int64 `json:"fresh_ms"`
	// By the section's name, which is the last part of its path.
	Sections map[string]SectionMeta `json:"sections"`
}

// SectionMeta is what meta says about one section.
type SectionMeta struct {
	// When the value shown was collected; null: never.
	AsOf *time.Time `json:"as_of"`
	// What the last attempt to collect it took.
	TookMS float64 `json:"took_ms"`
	// Its present pace, slower than asked for when it is costly.
	EveryMS int64 `json:"every_ms"`
	// Why the last attempt failed, in which case the value is the last good one; null: it did not.
	Error *string `json:"error"`
	// It is older than its pace, its deadline and one interval together.
	Overdue bool `json:"overdue"`
}
