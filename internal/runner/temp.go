package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// temps makes the temporary folders of attempts. One that an attempt left empty it gives to another attempt under that one's name:
// to make a folder and to remove it takes a file system with a journal several times as long as to rename one.
type temps struct {
	mu     sync.Mutex
	spare  []string
	number int // of the spare ones so far
}

// make makes a folder, which may be there.
func (t *temps) make(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for last := len(t.spare) - 1; last >= 0; last-- {
		spare := t.spare[last]
		if filepath.Dir(spare) != filepath.Dir(path) {
			continue
		}
		t.spare = append(t.spare[:last], t.spare[last+1:]...)
		if os.Rename(spare, path) == nil {
			return nil
		}
		_ = os.Remove(spare)
		break
	}
	return os.MkdirAll(path, 0o700)
}

// remove removes a folder with all there is in it.
func (t *temps) remove(path string) error {
	if !untouched(path) {
		return RemoveTree(path)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.number++
	spare := filepath.Join(filepath.Dir(path), "spare-"+strconv.Itoa(t.number))
	if os.Rename(path, spare) != nil {
		return RemoveTree(path)
	}
	t.spare = append(t.spare, spare)
	return nil
}

// end removes the spare folders.
func (t *temps) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, spare := range t.spare {
		_ = os.Remove(spare)
	}
	t.spare = nil
}

// untouched reports whether a folder is as it was made.
func untouched(path string) bool {
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer dir.Close()
	if info, err := dir.Stat(); err != nil || info.Mode() != fs.ModeDir|0o700 {
		return false
	}
	_, err = dir.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// removeTemp removes the attempt's temporary folder, when nothing of the attempt runs any more.
func (p *process) removeTemp() {
	if p.attempt.TempDir == "" || p.left {
		return
	}
	if err := p.runner.temps.remove(p.attempt.TempDir); err != nil {
		text := fmt.Sprintf("the temporary folder of this attempt could not be removed: %v", err)
		p.line(Line{At: time.Now(), Level: "warn", Msg: cleanText(text), HasMsg: true, ours: true})
	}
}

// RemoveTree removes a folder with all there is in it, also where a folder in it may not be written.
func RemoveTree(root string) error {
	if os.RemoveAll(root) == nil {
		return nil
	}
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) // before what is in it is read
		}
		return nil
	})
	return os.RemoveAll(root)
}
