package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/agentos/agentos/internal/strictyaml"
)

// Load reads agentos.yaml. The error is a [ValidationErrors] when the file was read and is not valid.
func Load(path string) (*Fleet, error) {
	data, written, err := strictyaml.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load agents: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("load agents: %w", err)
	}
	fleet, err := Parse(path, dir, data)
	if err != nil {
		return nil, err
	}
	fleet.ModTime = written
	return fleet, nil
}

// Parse reads the text of an agentos.yaml. Name is what errors call the file; dir, an absolute path, is what relative
// commands and working directories are relative to. The error is always a [ValidationErrors]: all that is wrong, at once.
func Parse(name, dir string, data []byte) (*Fleet, error) {
	d := &decoder{Decoder: strictyaml.NewDecoder(name, data, keyFor), file: name, dir: dir}
	var fleet *Fleet
	if root := d.Document("write agents: and below it at least one agent"); root != nil {
		fleet = d.fleet(root)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return fleet, nil
}

// hash covers what the fleet is, not how its file is written.
func (f *Fleet) hash() string {
	data, err := json.Marshal(struct {
		Agents []*Spec
		Queues []QueueSpec
	}{f.Agents, f.Queues})
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
