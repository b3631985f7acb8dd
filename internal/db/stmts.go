package db

import (
	"context"
	"database/sql/driver"
	"strings"
)

const (
	// maxStatements bounds the prepared statements kept by one connection. River and we use some hundred texts.
	maxStatements = 256
	maxStatement  = 16 << 10 // bytes of a text that is kept
)

// statements are the prepared statements of one connection, by text. SQLite takes several times longer to read a
// statement such as River's fetch than to run it.
type statements struct {
	engine engine
	byText map[string]*statement
}

type statement struct {
	prepared
	busy bool // its rows are being read
}

type prepared interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// take returns the prepared statement for a text, or nil when it is to be run without one: scripts, texts that cannot
// be prepared, and those whose statement is busy.
func (s *statements) take(ctx context.Context, text string) *statement {
	if st := s.byText[text]; st != nil {
		if st.busy {
			return nil
		}
		return st
	}
	if len(text) > maxStatement || strings.Contains(text, ";") {
		return nil
	}
	raw, err := s.engine.PrepareContext(ctx, text)
	if err != nil {
		return nil // running it gives the error
	}
	p, ok := raw.(prepared)
	if !ok {
		_ = raw.Close()
		return nil
	}
	s.makeRoom()
	st := &statement{prepared: p}
	if s.byText == nil {
		s.byText = map[string]*statement{}
	}
	s.byText[text] = st
	return st
}

// makeRoom drops any statement that is not busy when there are too many.
func (s *statements) makeRoom() {
	if len(s.byText) < maxStatements {
		return
	}
	for text, st := range s.byText {
		if !st.busy {
			delete(s.byText, text)
			_ = st.Close()
			return
		}
	}
}

func (s *statements) close() {
	for _, st := range s.byText {
		_ = st.Close()
	}
	s.byText = nil
}

// query runs a prepared statement; it is busy until its rows are closed.
func (st *statement) query(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	st.busy = true
	rows, err := st.QueryContext(ctx, args)
	if err != nil {
		st.busy = false
		return nil, err
	}
	return &lentRows{Rows: rows, of: st}, nil
}

type lentRows struct {
	driver.Rows
	of *statement
}

func (r *lentRows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	return err
}
