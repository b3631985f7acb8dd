package fingerprint

import (
	"slices"
	"strings"
)

// The forms of what varies. Each function returns how long the form is that a text begins with, 0 for none.

// uuid is one in its usual form.
func uuid(s string) int {
	const length = 36
	if len(s) < length || len(s) > length && isWord(s[length]) {
		return 0
	}
	for i := range length {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !isHexDigit(s[i]) {
			return 0
		}
	}
	return length
}

// units stand behind numbers, and vary with them.
var units = []string{
	"%", "b", "bit", "bits", "byte", "bytes", "d", "day", "days", "gb", "gib", "h", "hour", "hours", "k", "kb", "kib", "m", "mb", "mib", "min", "mins", "minute", "minutes",
	"ms", "ns", "s", "sec", "second", "seconds", "secs", "tb", "tib", "us", "x", "µs",
}

// maxGroups bounds how many numbers in a row are taken for one.
const maxGroups = 12

// number is one with its unit, a version, a duration such as 1m30s, a row of numbers with : between, or an address of an interface.
func number(s string) (length int, placeholder string) {
	i := digits(s)
	if i == 0 {
		return 0, ""
	}
	groups, dots := 1, 0
	for i+1 < len(s) && groups < maxGroups && strings.IndexByte(".,:-", s[i]) >= 0 && isDigit(s[i+1]) {
		if s[i] == '.' {
			dots++
		}
		groups++
		i += 1 + digits(s[i+1:])
	}
	if dots == 3 && groups <= 5 {
		if i < len(s) && s[i] == '/' { // a network
			i += 1 + digits(s[i+1:])
		}
		return i, "<host>"
	}
	if i+1 < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if sign := i + 1; isDigit(s[sign]) {
			i = sign + digits(s[sign:])
		} else if sign+1 < len(s) && (s[sign] == '-' || s[sign] == '+') && isDigit(s[sign+1]) {
			i = sign + 1 + digits(s[sign+1:])
		}
	}
	for range maxGroups { // 1h2m3.5s
		unit := unitLength(s[i:])
		i += unit
		next := i
		for unit > 0 && next < len(s) && (isDigit(s[next]) || s[next] == '.' && next > i) {
			next++
		}
		if next == i || next == len(s) || unitLength(s[next:]) == 0 {
			break
		}
		i = next
	}
	switch {
	case i < len(s) && isWord(s[i]): // digits of a word
		return 0, ""
	case i+1 < len(s) && s[i] == ' ':
		if unit := unitLength(s[i+1:]); unit > 0 && !isWordAt(s, i+1+unit) {
			i += 1 + unit
		}
	}
	return i, "<n>"
}

func digits(s string) int {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func isWordAt(s string, i int) bool { return i < len(s) && isWord(s[i]) }

func unitLength(s string) int {
	i := 0
	for i < len(s) && i < 8 && (isLetter(s[i]) || s[i] == '%' && i == 0) {
		i++
		if s[0] == '%' {
			break
		}
	}
	if i == 0 {
		return 0
	}
	var lower [8]byte
	for j := range i {
		lower[j] = s[j]
		if s[j] >= 'A' && s[j] <= 'Z' {
			lower[j] += 'a' - 'A'
		}
	}
	if _, is := slices.BinarySearch(units, string(lower[:i])); is {
		return i
	}
	return 0
}

// names of months and days of the week, as dates begin with them.
var calendar = []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

const months = 12

// clock is a date, a time, or both: 2026-05-01T12:34:56.789Z, 2026/05/01 12:34:56, 01/May/2026:12:34:56 +0000,
// Mon, 02 Jan 2026 15:04:05 UTC, Jan  2 15:04:05.
func clock(s string) int {
	if !isDigit(s[0]) && !slices.ContainsFunc(calendar, func(name string) bool { return strings.HasPrefix(s, name) }) {
		return 0
	}
	i := date(s)
	if i == 0 {
		return timeOfDay(s)
	}
	next := i
	if next < len(s) && strings.IndexByte("T :_t", s[next]) >= 0 {
		next++
	}
	if length := timeOfDay(s[next:]); length > 0 {
		i = next + length
		if i+5 <= len(s) && s[i] == ' ' && digits(s[i+1:]) == 4 && s[i+1] == '2' && !isWordAt(s, i+5) { // a year behind the time
			i += 5
		}
	}
	return i
}

// date is one without its time.
func date(s string) int {
	if d := digits(s); d == 4 && len(s) >= 10 && strings.IndexByte("-/.", s[4]) >= 0 && s[7] == s[4] && digits(s[5:]) == 2 && digits(s[8:]) == 2 {
		if s[4] == '.' && len(s) > 11 && s[10] == '.' && isDigit(s[11]) {
			return 0
		}
		return 10
	}
	// Parts with a blank, a slash or a dash between, a month by its name among them.
	i, named, numbers := 0, false, 0
	for part := 0; part < 4 && i < len(s); part++ {
		at := i
		if part > 0 {
			for at < len(s) && at < i+2 && strings.IndexByte(" ,/-", s[at]) >= 0 {
				at++
			}
			if at == i || at == len(s) {
				break
			}
		}
		if d := digits(s[at:]); d == 1 || d == 2 || d == 4 {
			if isWordAt(s, at+d) || at+d < len(s) && s[at+d] == ':' && d < 3 || numbers == 2 {
				break
			}
			numbers++
			i = at + d
			continue
		}
		name := slices.IndexFunc(calendar, func(name string) bool { return strings.HasPrefix(s[at:], name) })
		if name < 0 || name < months && named {
			break
		}
		end := at + 3
		for end < len(s) && s[end] >= 'a' && s[end] <= 'z' {
			end++
		}
		if end > at+3 && end < at+6 && end != at+4 || isWordAt(s, end) { // May is a month, Mayor is none
			break
		}
		named = named || name < months
		i = end
	}
	if named && numbers > 0 {
		return i
	}
	return 0
}

// timeOfDay is hours, minutes and perhaps seconds, their parts, and the zone.
func timeOfDay(s string) int {
	h := digits(s)
	if h == 0 || h > 2 || len(s) < h+3 || s[h] != ':' || digits(s[h+1:]) != 2 {
		return 0
	}
	i := h + 3
	if i+2 < len(s) && s[i] == ':' && digits(s[i+1:]) == 2 {
		i += 3
		if i+1 < len(s) && (s[i] == '.' || s[i] == ',') && isDigit(s[i+1]) {
			i += 1 + digits(s[i+1:])
		}
	} else if h == 1 {
		return 0 // 2:15 is a place in a file
	}
	zone := i
	if zone < len(s) && s[zone] == ' ' {
		zone++
	}
	switch rest := s[zone:]; {
	case strings.HasPrefix(rest, "Z") && !isWordAt(rest, 1):
		return zone + 1
	case strings.HasPrefix(rest, "UTC") || strings.HasPrefix(rest, "GMT") || strings.HasPrefix(rest, "CET") || strings.HasPrefix(rest, "EST") || strings.HasPrefix(rest, "PST"):
		i = zone + 3
	case len(rest) >= 5 && (rest[0] == '+' || rest[0] == '-') && digits(rest[1:]) == 4 && !isWordAt(rest, 5):
		i = zone + 5
	case len(rest) >= 6 && (rest[0] == '+' || rest[0] == '-') && digits(rest[1:]) == 2 && rest[3] == ':' && digits(rest[4:]) == 2:
		i = zone + 6
	}
	if isWordAt(s, i) {
		return 0
	}
	return i
}

// ipv6 is an address with or without brackets and port.
func ipv6(s string) int {
	i, colons, digit, double := 0, 0, false, false
	if s[0] == '[' {
		i = 1
	}
	begin := i
	for i < len(s) && i < 50 && (isHexDigit(s[i]) || s[i] == ':' || s[i] == '.' && colons > 1) {
		if s[i] == ':' {
			colons++
			double = double || i > begin && s[i-1] == ':'
		}
		digit = digit || isDigit(s[i])
		i++
	}
	if !digit || colons < 2 || !double && colons != 7 && colons != 5 || isWordAt(s, i) {
		return 0
	}
	for s[i-1] == ':' || s[i-1] == '.' {
		i--
	}
	if begin == 1 {
		if i == len(s) || s[i] != ']' {
			return 0
		}
		i++
		if i+1 < len(s) && s[i] == ':' {
			i += 1 + digits(s[i+1:])
		}
	}
	return i
}

func urlLength(s string) int {
	i := 0
	for i < len(s) && s[i] > ' ' && strings.IndexByte("\"'`<>,;)]}|", s[i]) < 0 {
		i++
	}
	return len(strings.TrimRight(s[:i], ".:"))
}

func isEmail(token string) bool {
	at := strings.IndexByte(token, '@')
	return at > 0 && strings.IndexByte(token[at:], '.') > 1 && isLetter(token[at+1]) && strings.IndexByte(token[:at], ':') < 0
}

// domains are how the names of hosts end.
var domains = []string{
	"ai", "app", "arpa", "at", "biz", "ch", "cloud", "cluster", "co", "com", "consul", "corp", "de", "dev", "edu", "eu", "example", "fr", "gov", "info", "int", "internal", "invalid",
	"io", "lan", "local", "localdomain", "mil", "net", "nl", "org", "svc", "test", "uk", "us",
}

// host is a name of one with dots, and its port.
func host(token string) int {
	name, port, hasPort := strings.Cut(token, ":")
	name = strings.TrimRight(name, ".-")
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || strings.IndexByte(name, '_') >= 0 || !isLetter(name[len(name)-1]) && !hasPort {
		return 0
	}
	if _, is := slices.BinarySearch(domains, strings.ToLower(name[dot+1:])); !is {
		return 0
	}
	if n := digits(port); hasPort && n > 1 && !isWordAt(port, n) {
		return len(name) + 1 + n
	}
	return len(name)
}

// code are the extensions of programs: which one it was stays.
var code = []string{"bash", "c", "cc", "cjs", "cpp", "cs", "ex", "exs", "go", "java", "js", "jsx", "kt", "lua", "mjs", "php", "pl", "pm", "ps1", "py", "rb", "rs", "sh", "sql", "swift", "ts", "tsx"}

var (
	// constant are folders whose files have the same names everywhere; passing are those whose have never.
	constant = []string{"/bin/", "/dev/", "/etc/", "/lib/", "/proc/", "/sbin/", "/sys/", "/usr/"}
	passing  = []string{"/private/var/folders/", "/run/", "/tmp/", "/var/folders/", "/var/run/", "/var/tmp/"}
)

// path hides one that begins with / ./ ../ ~/ or a drive.
func (n *normalizer) path(s string) bool {
	rooted := strings.HasPrefix(s, "/") && len(s) > 1 && (isWord(s[1]) || strings.IndexByte(".-_~$", s[1]) >= 0) ||
		strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") || strings.HasPrefix(s, "~/") || len(s) > 2 && s[1] == ':' && s[2] == '\\'
	if !rooted || n.at > 0 && (n.in[n.at-1] == '<' || n.in[n.at-1] == '.') {
		return false
	}
	length := pathLength(s)
	n.putPath(s[:length])
	n.at += length
	return true
}

// relative hides a path that begins with a name, when it has an extension: "and/or" has none.
func (n *normalizer) relative(s string) bool {
	i := 0
	for i < len(s) && (isWord(s[i]) || s[i] == '-' || s[i] == '.') {
		i++
	}
	if i == 0 || i == len(s) || s[i] != '/' {
		return false
	}
	path := s[:pathLength(s[:min(len(s), maxName)])]
	if base := path[strings.LastIndexByte(path, '/')+1:]; extension(base) == "" {
		return false
	}
	n.putPath(path)
	n.at += len(path)
	return true
}

func pathLength(s string) int {
	i := 0
	if len(s) > 2 && s[1] == ':' {
		i = 3
	}
	for i < len(s) && s[i] > ' ' && strings.IndexByte("\"'`<>,;:()[]{}|=", s[i]) < 0 {
		i++
	}
	return len(strings.TrimRight(s[:i], ".!?"))
}

// putPath writes what does not vary of a path: the name of a program's file or of one in a folder of the system, or else the extension.
func (n *normalizer) putPath(path string) {
	path = strings.TrimRight(path, `/\`)
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	n.before, n.word = n.word, ""
	under := func(folder string) bool { return strings.HasPrefix(path, folder) }
	n.out = append(n.out, "<path>"...)
	ext := extension(base)
	_, program := slices.BinarySearch(code, ext)
	made := slices.ContainsFunc(passing, func(folder string) bool { return under(folder) && strings.IndexByte(path[len(folder):], '/') < 0 })
	switch {
	case !made && program, slices.ContainsFunc(constant, under):
		n.out = append(n.out, '/')
		n.out = appendBase(n.out, base)
	case ext != "":
		n.out = append(append(n.out, '.'), ext...)
	}
}

// appendBase writes the name of a file, ids and numbers in it hidden.
func appendBase(out []byte, base string) []byte {
	for i := 0; i < len(base); {
		begin := i
		for i < len(base) && isWord(base[i]) {
			i++
		}
		out = appendName(out, base[begin:i])
		if i < len(base) {
			out = append(out, base[i])
			i++
		}
	}
	return out
}

// extension is that of a file's name: up to five letters, or digits that belong to them, without an id.
func extension(base string) string {
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 || dot == len(base)-1 || len(base)-dot > 6 || isDigit(base[dot+1]) {
		return ""
	}
	for i := dot + 1; i < len(base); i++ {
		if c := base[i]; !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return strings.ToLower(base[dot+1:])
}
