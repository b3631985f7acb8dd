package fingerprint

import "strings"

// goFiles are folders of what is not the program's own.
var goFiles = []string{"/pkg/mod/", "/vendor/", "/go/src/", "/usr/local/go/", "/usr/lib/go", "/libexec/src/", "/toolchain@", "/goroot/"}

func isGoroutine(line string) bool {
	rest, is := strings.CutPrefix(line, "goroutine ")
	n := digits(rest)
	return is && n > 0 && strings.HasPrefix(rest[n:], " [") && strings.HasSuffix(rest, ":")
}

// goPanic reads the report of a panic from its first line, and the stack of the goroutine that did.
func goPanic(lines []string, i int) *stack {
	message := lines[i]
	begin := goBegin(lines, i)
	for j := i + 1; j < begin; j++ {
		if strings.HasPrefix(lines[j], "\tpanic: ") { // the last one is what ended it
			message = lines[j][1:]
		}
	}
	return goTrace(lines, max(begin, i), message)
}

// goBegin is where the first goroutine's stack begins within a few lines; 0 when it does not.
func goBegin(lines []string, i int) int {
	for j := i + 1; j < len(lines) && j <= i+headerBack; j++ {
		if isGoroutine(lines[j]) {
			return j
		}
	}
	return 0
}

// goStack reads a stack of which no panic was seen above: the line before may say what happened.
func goStack(lines []string, i int) *stack {
	for back := i - 1; back >= 0 && back >= i-3; back-- {
		line := lines[back]
		if at := strings.Index(line, "panic serving "); at >= 0 {
			_, message, _ := strings.Cut(line[at:], ": ")
			return goTrace(lines, i, "panic: "+message)
		}
		if strings.HasPrefix(line, "fatal error: ") || strings.Contains(line, "panic") {
			return goTrace(lines, i, line)
		}
	}
	return goTrace(lines, i, "panic")
}

// goTrace reads the functions below "goroutine 1 [running]:", and goes past those of other goroutines.
func goTrace(lines []string, i int, message string) *stack {
	s := &stack{lang: "go", kind: "panic"}
	kind, said, _ := strings.Cut(message, ": ")
	if kind == "fatal error" {
		s.kind = kind
	} else if kind != "panic" {
		said = message
	}
	if said, _, _ = strings.Cut(said, " [recovered"); message != "panic" {
		s.said = normalize(goMessage(said), false)
	}
	first := true
	for i++; i < len(lines); i++ {
		line := lines[i]
		switch {
		case isGoroutine(line):
			first = len(s.frames) == 0
		case line == "", strings.HasPrefix(line, "["), strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "..."):
		case strings.HasPrefix(line, "created by "):
		case strings.HasPrefix(line, "exit status "):
			s.end = i
			return s
		case isGoFrame(line):
			if first {
				path := ""
				if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
					path = lines[i+1][1:]
				}
				if f, is := goFrame(line, path); is {
					s.frames = append(s.frames, f)
				}
			}
		case len(line) > 4 && line[0] == 'r' && strings.Contains(line, "0x"): // registers
		default:
			s.end = i
			return s
		}
	}
	s.end = i
	return s
}

// goMessage takes the type off a panic with a value that is an error or printed as one: main.Err{...}, &errors.errorString{s:"..."}.
func goMessage(text string) string {
	if at := strings.IndexByte(text, '{'); at > 0 && strings.HasPrefix(text, "&") {
		if quote := strings.IndexByte(text[at:], '"'); quote > 0 {
			return strings.Trim(text[at+quote:], `"}`)
		}
	}
	return text
}

func isGoFrame(line string) bool {
	return strings.HasSuffix(line, ")") && strings.IndexByte(line, '(') > 0 && line[0] > ' '
}

// goFrame reads a function with its arguments, and the line below it.
func goFrame(line, path string) (frame, bool) {
	end := strings.LastIndexByte(line, '(')
	name := line[:end]
	if name == "panic" || strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "testing.tRunner") {
		return frame{}, false
	}
	path, _, _ = strings.Cut(path, " +0x")
	path = withoutPlace(path)
	name = name[strings.LastIndexByte(name, '/')+1:]
	if open := strings.IndexByte(name, '['); open > 0 { // a generic function's types
		name = name[:open] + name[strings.LastIndexByte(name, ']')+1:]
	}
	return frame{name: name, file: base(path), own: !containsAny(path, goFiles) && path != ""}, true
}
