package agent

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// removeTemp removes the attempt's temporary folder, when nothing of the attempt runs any more.
func (p *process) removeTemp() {
	if p.attempt.TempDir == "" || p.left {
		return
	}
	if err := RemoveTree(p.attempt.TempDir); err != nil {
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
