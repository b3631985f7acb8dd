// Package fetch decides which jobs a process takes from River's queues, and when: within the limits of its agents, of the fleet and of itself (Gate), by
// a pilot between River and its driver (Pilot), which also has River look where something waits (docs/decisions/0105-fetching.md).
package fetch
