// Package file keeps a document in a local file.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/agentos/agentos/snapshot/link"
)

// pace spares the disk: a document that is published more often is written this often.
const pace = 5 * time.Second

// A File keeps the last document in a local file, so that a restarted process shows it at once. The file is
// replaced as a whole: whenever the process dies, the old document or the new one is there. Only its owner can read it.
type File struct {
	path     string
	maxBytes int
	mu       sync.Mutex // one Store at a time: they share the temporary file
}

// New keeps the document at path. Its folder must exist and belong to this process alone; path + ".tmp" is
// used while writing.
func New(path string, maxBytes int) *File {
	return &File{path: path, maxBytes: maxBytes}
}

// Name returns "file".
func (t *File) Name() string { return "file" }

// Pace makes the cache store at most every 5 s, always the newest document.
func (t *File) Pace() time.Duration { return pace }

// Load implements tier.
func (t *File) Load(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, link.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load snapshot: %w", err)
	}
	defer file.Close()
	doc, err := io.ReadAll(io.LimitReader(file, int64(t.maxBytes)+1)) // one byte more shows that it is too large
	if err != nil {
		return nil, fmt.Errorf("load snapshot: %w", err)
	}
	return doc, nil
}

// Store implements tier.
func (t *File) Store(ctx context.Context, s link.Document) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	temporary := t.path + ".tmp"
	if err := writeFile(temporary, s.JSON); err != nil {
		return errors.Join(fmt.Errorf("store snapshot: %w", err), remove(temporary))
	}
	if err := os.Rename(temporary, t.path); err != nil {
		return errors.Join(fmt.Errorf("store snapshot: %w", err), remove(temporary))
	}
	return nil
}

// writeFile writes a file that only its owner can read and waits until it is on the disk, for a rename that overtakes
// the content would leave an empty file after a power cut.
func writeFile(path string, content []byte) error {
	if err := remove(path); err != nil { // left by a crash, with whatever mode or link
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
