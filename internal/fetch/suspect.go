package fetch

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/riverqueue/river/rivertype"

	"github.com/agentos/agentos/internal/engine/river"
)

const (
	// SuspectFrom is how many workers a job must have lost to be run beside no other such job.
	SuspectFrom = 2
	// suspectLater is when a job is looked at again that may not run beside another.
	suspectLater = 3 * time.Second
)

// IsSuspect reports whether a job has lost several workers.
func IsSuspect(job *rivertype.JobRow) bool {
	if !bytes.Contains(job.Metadata, []byte(river.LossesKey)) {
		return false
	}
	var kept struct {
		Losses int `json:"agentos_losses"`
	}
	return json.Unmarshal(job.Metadata, &kept) == nil && kept.Losses >= SuspectFrom
}
