package engine

// ID names a job, or an attempt at one. It is River's number for now: whoever keeps, compares or writes ids goes by this type.
type ID = int64
