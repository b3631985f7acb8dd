package snapshot

import "context"

// A Tier is a place outside this process's memory where documents are kept: a file, Redis. It serves two ends: a
// process that has just started finds a document there, and processes share what one of them collected.
//
// A tier need not be reliable. It may fail, hang, or return garbage: failures are counted and logged once per change,
// what it returns is validated, and each call has a deadline. Calls that ignore their deadline are abandoned, and the
// tier is not called again for the same purpose before they return. Load and Store may be called at the same time.
type Tier interface {
	// Name identifies the tier in logs, statistics and the Cache-Status header, for example "file" or "redis".
	Name() string

	// Load returns the JSON of the newest document that the tier holds, whatever its age: expiry is decided by the
	// document's own timestamp. ErrNotFound says that there is none.
	Load(ctx context.Context) ([]byte, error)

	// Store keeps the snapshot's JSON in place of what was there. A failed Store leaves the old document readable.
	Store(ctx context.Context, s *Snapshot) error
}
