package auth

import "fmt"

// Role is what a principal may do. Each role includes the ones before it.
type Role string

// The roles, from least to most.
const (
	RoleViewer   Role = "viewer"   // reads everything but users, tokens and the audit log
	RoleOperator Role = "operator" // acts on jobs, queues and agents
	RoleAdmin    Role = "admin"    // manages users and tokens
)

// ParseRole reads a role's name.
func ParseRole(text string) (Role, error) {
	if role := Role(text); role.rank() > 0 {
		return role, nil
	}
	return "", &InvalidError{Text: fmt.Sprintf("unknown role %q: use viewer, operator or admin", text)}
}

// Allows reports whether r includes what need may do. An unknown role allows nothing and is allowed by nothing.
func (r Role) Allows(need Role) bool {
	return need.rank() > 0 && r.rank() >= need.rank()
}

// within is r, or limit when that is less.
func (r Role) within(limit Role) Role {
	if limit.rank() < r.rank() {
		return limit
	}
	return r
}

func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleOperator:
		return 2
	case RoleAdmin:
		return 3
	}
	return 0
}
