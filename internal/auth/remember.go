package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// remembered is one live credential in Options.File. The hash is of 256 random bits: nobody gets in by it.
type remembered struct {
	Hash      string `json:"hash"`
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	User      string `json:"user,omitempty"`
	ExpiresAt int64  `json:"expires_at,omitempty"` // unix ms; 0 = never
	SeenAt    int64  `json:"seen_at,omitempty"`
}

// memory is the content of Options.File.
type memory struct {
	Fleet       string       `json:"fleet"` // names the session cookie
	Credentials []remembered `json:"credentials"`
}

// remember writes the known credentials to Options.File, in one step.
func (s *Service) remember() error {
	if s.opts.File == "" {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	m := memory{Credentials: []remembered{}}
	if fleet := s.fleet.Load(); fleet != nil {
		m.Fleet = *fleet
	}
	for key, p := range s.known.Load().principals {
		r := remembered{Hash: key.String(), ID: p.ID, Kind: p.Kind, Name: p.Name, Role: p.Role, User: p.User, SeenAt: p.seen.Load()}
		if !p.ExpiresAt.IsZero() {
			r.ExpiresAt = p.ExpiresAt.UnixMilli()
		}
		m.Credentials = append(m.Credentials, r)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.opts.File), 0o700); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	next := s.opts.File + ".new"
	if err := writePrivate(next, text); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	if err := os.Rename(next, s.opts.File); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	return nil
}

// writePrivate makes a new file that only its owner can read. What stands at its path is removed, never written through:
// it may be a link that somebody put there.
func writePrivate(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// readPrivate reads a file that nobody else can have written: whoever writes it chooses who is let in.
func readPrivate(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file: remove it")
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("others may write it (mode %04o), and it says who is let in: remove it", info.Mode().Perm())
	case owner != 0 && int(owner) != os.Geteuid():
		return nil, fmt.Errorf("it belongs to another user (uid %d), and it says who is let in: remove it", owner)
	}
	return io.ReadAll(file)
}

// readMemory reads what remember wrote; nil when there is no such file.
func readMemory(path string) (m *memory, err error) {
	if path == "" {
		return nil, nil
	}
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("recall credentials: %w", err)
	}
	return m, nil
}

// RememberedFleet returns which fleet the server with this Options.File belonged to last; empty: the file does not name it.
func RememberedFleet(path string) (string, error) {
	m, err := readMemory(path)
	if m == nil {
		return "", err
	}
	return m.Fleet, nil
}

// recall takes the credentials of Options.File as known until the database answers. What it cannot read it leaves.
func (s *Service) recall(now time.Time) error {
	m, err := readMemory(s.opts.File)
	if m == nil {
		return err
	}
	principals := make(map[digest]*Principal, len(m.Credentials))
	for _, r := range m.Credentials {
		if key, p := s.recalled(r); p != nil && p.valid(now) {
			principals[key] = p
		}
	}
	s.setFleet(m.Fleet)
	s.known.Store(&knownSet{change: -1, principals: principals})
	return nil
}

func (s *Service) recalled(r remembered) (key digest, p *Principal) {
	if n, err := hex.Decode(key[:], []byte(r.Hash)); len(r.Hash) != hex.EncodedLen(len(key)) || err != nil || n != len(key) {
		return key, nil
	}
	p = &Principal{ID: r.ID, Kind: r.Kind, Name: r.Name, Role: r.Role, User: r.User}
	p.life, p.end = context.WithCancel(context.Background())
	if r.ExpiresAt != 0 {
		p.ExpiresAt = time.UnixMilli(r.ExpiresAt).UTC()
	}
	if p.Kind == KindSession {
		p.idle = s.opts.SessionIdle
	}
	p.seen.Store(r.SeenAt)
	p.stored.Store(r.SeenAt)
	return key, p
}
