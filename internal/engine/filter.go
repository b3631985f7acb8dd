package engine

import "time"

// Filter says which jobs a list holds. Zero values do not restrict.
type Filter struct {
	States []State
	Agent  string
	Queue  string
	Text   string // in the id, the redacted arguments (up to 256 KB of them) or the last error
	Since  *time.Time
	Until  *time.Time // created before
	// EndedSince and EndedUntil are of lists in the order of the ends alone: only of states of jobs that have ended.
	EndedSince, EndedUntil *time.Time
	Limit                  int    // zero means 50; at most 200
	Cursor                 Cursor // Page.Next of the page before
}

// Page is a part of a list of jobs. On River those created last are first, or, if only states of ended jobs are asked for, those
// that ended last.
type Page struct {
	Jobs          []Job   `json:"jobs"`
	Order         string  `json:"order" enum:"created,ended,engine" doc:"How the list is ordered: by creation, latest first; by end, latest first, when only completed, cancelled and discarded ones are asked for; or as the engine keeps them"`
	Next          *Cursor `json:"next" doc:"The cursor of the next page; null at the end"`
	Searched      int     `json:"searched" doc:"How many jobs were looked at for this page"`
	SearchBounded bool    `json:"search_bounded" doc:"The search reached its time limit before the page was full: the next page goes on from there, with four times the limit"`
	SearchCut     int     `json:"search_cut" doc:"How many of these had only part of their arguments searched: the first 256 KB, or nothing when the stored form is larger"`
}
