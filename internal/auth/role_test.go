package auth

import "testing"

func TestRoleAllows(t *testing.T) {
	for _, c := range []struct {
		have, need Role
		want       bool
	}{
		{Viewer, Viewer, true}, {Viewer, Operator, false}, {Viewer, Admin, false},
		{Operator, Viewer, true}, {Operator, Operator, true}, {Operator, Admin, false},
		{Admin, Viewer, true}, {Admin, Operator, true}, {Admin, Admin, true},
		{"", Viewer, false}, {"root", Viewer, false}, {Admin, "", false}, {Admin, "root", false},
	} {
		if got := c.have.Allows(c.need); got != c.want {
			t.Errorf("%q.Allows(%q) = %v, want %v", c.have, c.need, got, c.want)
		}
	}
}

func TestParseRoleNamesTheRoles(t *testing.T) {
	if _, err := ParseRole("root"); err == nil {
		t.Error("root is no role")
	}
	for _, role := range []Role{Viewer, Operator, Admin} {
		if got, err := ParseRole(string(role)); err != nil || got != role {
			t.Errorf("ParseRole(%q) = %q, %v", role, got, err)
		}
	}
}
