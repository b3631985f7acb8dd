package fingerprint

import (
	"slices"
	"strings"
)

const (
	// maxFrames is how many functions make a key: the innermost ones. More would divide a cause by who called.
	maxFrames = 3
	// maxAfter is how many lines may follow a stack that still is the failure.
	maxAfter = 20
)

// stack is what was understood of a report with a stack.
type stack struct {
	lang   string
	kind   string // the exception's type; the kind of a panic where there are no types
	said   string // the message, normalized
	source string // the innermost line of the program's own, where the runtime prints it
	frames []frame
	end    int // the line behind it
}

// frame is a function on the stack.
type frame struct {
	name, file string
	own        bool // of the program itself, as opposed to a library's or the runtime's
}

// vague are types of exceptions that say nothing: the message has to.
var vague = []string{"Error", "Exception", "RuntimeError", "RuntimeException", "Throwable", "StandardError", "panic", "fatal error"}

// title is the type and the message, and where it was.
func (s *stack) title() string {
	title := s.kind
	if s.said != "" {
		title += ": " + s.said
	}
	if chosen := s.chosen(); len(chosen) > 0 {
		title = oneLine(title, maxTitle*3/4) + " in " + chosen[0].String()
	}
	return title
}

// parts are what makes the key. The message is among them only where nothing else says what failed, for it may hold anything.
func (s *stack) parts() []string {
	chosen := s.chosen()
	parts := []string{s.kind}
	if s.said != "" && s.source == "" && (len(chosen) == 0 || slices.Contains(vague, lastName(s.kind))) {
		parts = append(parts, s.said)
	}
	for _, f := range chosen {
		parts = append(parts, f.String())
	}
	if s.source != "" {
		parts = append(parts, s.source)
	}
	return parts
}

func (f frame) String() string {
	switch {
	case f.file == "":
		return f.name
	case f.name == "":
		return f.file
	}
	return f.name + " (" + f.file + ")"
}

// chosen are the innermost frames of the program's own, or of all when it has none, recursion taken once.
func (s *stack) chosen() []frame {
	var own, all []frame
	for _, f := range s.frames {
		all = appendNew(all, f)
		if f.own {
			own = appendNew(own, f)
		}
	}
	if len(own) == 0 {
		own = all
	}
	return own[:min(len(own), maxFrames)]
}

func appendNew(list []frame, f frame) []frame {
	if len(list) >= maxFrames || slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// findStack finds the last stack among lines; nil when there is none, or when so much follows it that the program went on.
func findStack(lines []string) *stack {
	var last *stack
	for i := 0; i < len(lines); {
		s := stackAt(lines, i)
		if s == nil {
			i++
			continue
		}
		begin := i
		i = max(s.end, i+1)
		if s.kind != "" && !ignored(lines, begin) {
			last = s
		}
	}
	if last == nil {
		return nil
	}
	after := 0
	for _, line := range lines[min(last.end, len(lines)):] {
		if line != "" {
			after++
		}
	}
	if after > maxAfter {
		return nil
	}
	return last
}

// ignored reports whether the stack that begins at a line is of an exception that Python itself passed over.
func ignored(lines []string, i int) bool {
	return i > 0 && strings.HasPrefix(lines[i-1], "Exception ignored ") || i > 1 && strings.HasPrefix(lines[i-2], "Exception ignored ")
}

// isReason reports whether the stack is what the last line says of the failure, if that is the text of an attempt's error: the reason was
// chosen by who read the whole log, and the stack may be one that the program survived.
func (s *stack) isReason(lines []string) bool {
	reason, is := afterExit(lines[len(lines)-1])
	return !is || reason == "" || strings.Contains(reason, lastName(s.kind))
}

// unfold brings a stack that a logger wrote as a text on one line, of JSON or of key=value, back to its lines.
var unfold = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\"`, `"`, `\\`, `\`, `="`, "\n", `":"`, "\n", `": "`, "\n")

func hasFoldedStack(text string) bool {
	text = text[max(0, len(text)-maxHead-maxTail):]
	return strings.Contains(text, `\n`) && containsAny(text, []string{`Traceback (most recent call last):\n`, `\n    at `, `\n\tat `, `]:\n`, `\n\tfrom `, `\n#0 `})
}

// stackAt reads the stack whose first line that is understood is the i-th. One without a kind is none; what belongs to it is read.
func stackAt(lines []string, i int) *stack {
	line := lines[i]
	trimmed := strings.TrimLeft(line, " \t|+")
	if trimmed == "" {
		return nil
	}
	switch trimmed[0] {
	case 'F':
		if strings.HasPrefix(trimmed, `File "`) && len(trimmed) < len(line) {
			return pythonStack(lines, i)
		}
	case 'a':
		if strings.HasPrefix(trimmed, "at ") && len(trimmed) < len(line) {
			return atStack(lines, i)
		}
	case 'g':
		if isGoroutine(line) {
			return goStack(lines, i)
		}
	case 'p', 'f':
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") && goBegin(lines, i) > 0 {
			return goPanic(lines, i)
		}
	case 't':
		if strings.HasPrefix(line, "thread '") {
			return rustPanic(lines, i)
		}
	case 'C':
		if line == "Caused by:" {
			return rustCauses(lines, i)
		}
	case '#':
		if strings.HasPrefix(line, "#0 ") {
			return phpStack(lines, i)
		}
	}
	if s := rubyStack(lines, i); s != nil {
		return s
	}
	if strings.Contains(line, "PHP Fatal error:") || strings.HasPrefix(line, "Fatal error: ") {
		return phpFatal(lines, i)
	}
	return nil
}

// headerBack is how many lines of a message are gone back over from its stack to the type of the exception.
const headerBack = 8

// header finds the first line of an exception above its stack: the nearest that begins with a type, or else the one directly above.
func header(lines []string, i int) (kind, message string) {
	for back := i - 1; back >= 0 && back >= i-headerBack; back-- {
		if kind, message, is := exception(lines[back]); is {
			return kind, message
		}
	}
	for back := i - 1; back >= 0 && back >= i-headerBack; back-- {
		if line := strings.TrimSpace(lines[back]); line != "" {
			return "", line
		}
	}
	return "", ""
}

// before are how the line of an exception begins before its type.
var before = []string{"Uncaught exception: ", "Uncaught ", "Unhandled exception. ", "(in promise) ", "error: ", "Caused by: ", "[cause]: ", "Next ", "Suppressed: ", "Error: uncaught "}

// exception parts a line such as "java.io.IOException: no such file" or "TypeError [ERR_X]: no" into type and message.
func exception(line string) (kind, message string, is bool) {
	line = strings.TrimLeft(line, " \t")
	if strings.HasPrefix(line, `Exception in thread "`) {
		if end := strings.Index(line[21:], `" `); end >= 0 {
			line = line[21+end+2:]
		}
	}
	for again := true; again; {
		again = false
		for _, prefix := range before {
			if rest, cut := strings.CutPrefix(line, prefix); cut {
				line, again = rest, true
			}
		}
	}
	end := 0
	for end < len(line) {
		if strings.HasPrefix(line[end:], "::") {
			end++
		} else if !isWord(line[end]) && strings.IndexByte(`.$\`, line[end]) < 0 {
			break
		}
		end++
	}
	kind, rest := line[:end], line[end:]
	if end == 0 || isDigit(line[0]) || !isType(kind) {
		return "", "", false
	}
	if strings.HasPrefix(rest, " [") { // Node's code of it
		if shut := strings.IndexByte(rest, ']'); shut > 0 {
			kind, rest = kind+rest[:shut+1], rest[shut+1:]
		}
	}
	switch {
	case rest == "", rest == " {", rest == ":":
		return kind, "", true
	case strings.HasPrefix(rest, ": "):
		return kind, rest[2:], true
	}
	return "", "", false
}

// lastName is a type's name without its package.
func lastName(kind string) string { return kind[strings.LastIndexAny(kind, `.:\$`)+1:] }

// isType reports whether a name can be an exception's type: the last part begins with a capital.
func isType(name string) bool {
	last := lastName(name)
	return last != "" && last[0] >= 'A' && last[0] <= 'Z'
}

// base is the name of a file without its folders; what is in it of ids and versions is hidden.
func base(path string) string {
	path = strings.TrimSuffix(path, ")")
	return string(appendBase(nil, path[strings.LastIndexAny(path, `/\`)+1:]))
}

// withoutPlace takes :line and :line:column off a file's name.
func withoutPlace(path string) string {
	for range 2 {
		if at := strings.LastIndexByte(path, ':'); at > 0 && digits(path[at+1:]) == len(path)-at-1 {
			path = path[:at]
		}
	}
	return path
}

func containsAny(text string, any []string) bool {
	return slices.ContainsFunc(any, func(part string) bool { return strings.Contains(text, part) })
}
