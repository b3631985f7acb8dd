package db

import (
	"database/sql/driver"
	"sync/atomic"
)

// observer counts statements and shows them to whoever asked, see DB.Statements and DB.Trace.
type observer struct {
	statements atomic.Uint64
	trace      atomic.Pointer[func(query string, args []driver.NamedValue)]
}

func (o *observer) observe(query string, args []driver.NamedValue) {
	o.statements.Add(1)
	if trace := o.trace.Load(); trace != nil {
		(*trace)(query, args)
	}
}
