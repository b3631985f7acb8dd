package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// remembered is one live credential in Options.File. The hash is of 256 random bits: nobody gets in by it.
type remembered struct {
	Hash      string `json:"hash"`
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	ExpiresAt int64  `json:"expires_at,omitempty"` // unix ms; 0 = never
	SeenAt    int64  `json:"seen_at,omitempty"`
}

// remember writes the known credentials to Options.File, in one step.
func (s *Service) remember() error {
	if s.opts.File == "" {
		return nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	list := []remembered{}
	for key, p := range s.known.Load().principals {
		r := remembered{Hash: key.String(), ID: p.ID, Kind: p.Kind, Name: p.Name, Role: p.Role, SeenAt: p.seen.Load()}
		if !p.ExpiresAt.IsZero() {
			r.ExpiresAt = p.ExpiresAt.UnixMilli()
		}
		list = append(list, r)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.opts.File), 0o700); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	next := s.opts.File + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	if err := os.Rename(next, s.opts.File); err != nil {
		return fmt.Errorf("remember credentials: %w", err)
	}
	return nil
}

// recall takes the credentials of Options.File as known until the database answers. What it cannot read it leaves.
func (s *Service) recall(now time.Time) error {
	if s.opts.File == "" {
		return nil
	}
	text, err := os.ReadFile(s.opts.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []remembered
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return fmt.Errorf("recall credentials: %w", err)
	}
	principals := make(map[digest]*Principal, len(list))
	for _, r := range list {
		if key, p := s.recalled(r); p != nil && p.valid(now) {
			principals[key] = p
		}
	}
	s.known.Store(&knownSet{change: -1, principals: principals})
	return nil
}

func (s *Service) recalled(r remembered) (key digest, p *Principal) {
	if n, err := hex.Decode(key[:], []byte(r.Hash)); len(r.Hash) != hex.EncodedLen(len(key)) || err != nil || n != len(key) {
		return key, nil
	}
	p = &Principal{ID: r.ID, Kind: r.Kind, Name: r.Name, Role: r.Role}
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
