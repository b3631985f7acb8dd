package db

import (
	"context"
	"time"
)

const (
	// shrink gives this many pages back to the file system in one transaction: others wait only a moment.
	shrink = `pragma incremental_vacuum(1000)`
	// A file keeps as many free pages as this, or a tenth of its own: they are used again.
	sparePages = 4_000
	// maxCompact is how many pages of a file that cannot shrink are copied at a start: some seconds of work.
	maxCompact = 32_000
)

// Shrink gives the file system back what a SQLite file does not use, in small transactions with a pause after each. Files that are
// older than version 1.0 cannot shrink before they are compacted: see Compact.
func (d *DB) Shrink(ctx context.Context) error {
	if d.Kind != SQLite {
		return nil
	}
	mode, pages, free, err := d.pages(ctx)
	if err != nil || mode != incremental {
		return err
	}
	for free > max(sparePages, pages/10) {
		began := time.Now()
		before := free
		_, err := d.Write.ExecContext(ctx, shrink)
		if err == nil {
			_, pages, free, err = d.pages(ctx)
		}
		if err != nil || free >= before {
			return Wrap(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
	return nil
}

// incremental is the value of auto_vacuum with which a file shrinks when asked to.
const incremental = 2

func (d *DB) pages(ctx context.Context) (mode, pages, free int64, err error) {
	for pragma, into := range map[string]*int64{"auto_vacuum": &mode, "page_count": &pages, "freelist_count": &free} {
		if err := d.Read.QueryRowContext(ctx, `pragma `+pragma).Scan(into); err != nil {
			return 0, 0, 0, Wrap(err)
		}
	}
	return mode, pages, free, nil
}

// Compact copies a SQLite file that was made without the ability to shrink, so that it is as small as what it holds, and shrinks from
// then on. Nobody can write meanwhile, and the disk must have room for the copy: so it is done for files with little in them, unless
// whatever says that the size does not matter. done reports whether the file is compact now; on Postgres there is nothing to do.
func (d *DB) Compact(ctx context.Context, whatever bool) (done bool, err error) {
	if d.Kind != SQLite {
		return true, nil
	}
	mode, pages, free, err := d.pages(ctx)
	if err != nil || mode == incremental && !whatever {
		return err == nil, err
	}
	if pages-free > maxCompact && !whatever {
		return false, nil
	}
	for _, statement := range []string{`pragma auto_vacuum = incremental`, `vacuum`, `pragma wal_checkpoint(truncate)`} {
		if _, err := d.Write.ExecContext(ctx, statement); err != nil {
			return false, Wrap(err)
		}
	}
	d.Reopen() // open connections remember what the file could not do
	return true, nil
}
