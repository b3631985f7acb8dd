package strictyaml

import "regexp"

// The queue engine takes the same form for a queue and at least two characters for a kind of job.
var (
	nameForm = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)
	envForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

// NameRule says which names are good.
const NameRule = "names have 2 to 63 characters, a-z and 0-9, with single - or _ between"

// GoodName reports whether a text can be the name of what a file describes.
func GoodName(s string) bool { return len(s) >= 2 && len(s) <= 63 && nameForm.MatchString(s) }

// GoodEnvName reports whether a text can be the name of an environment variable.
func GoodEnvName(s string) bool { return envForm.MatchString(s) }
