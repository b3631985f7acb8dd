//go:build !linux

package runner

// These systems cannot adopt orphans: what left the program's group before its supervisor was killed is out of reach.
func adoptOrphans() {}

func (p *process) endOrphans() {}
