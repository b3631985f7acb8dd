// Package schedule inserts the jobs of scheduled agents when they are due, once, however many processes there are. Where processes have
// different versions of the agents' file, it determines whose decides on schedules and queues.
package schedule
