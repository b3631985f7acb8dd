package fingerprint

import "strings"

// rustNames are how functions that are not the program's own begin.
var rustNames = []string{
	"std::", "core::", "alloc::", "<core::", "<alloc::", "<std::", "__", "_start", "rust_", "tokio::", "<tokio::", "rayon", "start_thread", "clone3", "anyhow::", "backtrace::",
}

// rustPanic reads "thread 'main' panicked at src/main.rs:2:5:", the message on the next line, and a backtrace if there is one. Without
// types panics differ by their message alone.
func rustPanic(lines []string, i int) *stack {
	_, at, is := strings.Cut(lines[i], " panicked at ")
	if !is {
		return nil
	}
	s := &stack{lang: "rust", kind: "panic", end: i + 1}
	var message, place string
	switch {
	case strings.HasPrefix(at, "'"): // before 1.73
		shut := strings.LastIndex(at, "', ")
		if shut < 0 {
			return nil
		}
		message, place = at[1:shut], at[shut+3:]
	case strings.HasSuffix(at, ":"):
		place = strings.TrimSuffix(at, ":")
		if s.end < len(lines) {
			message = lines[s.end]
			s.end++
		}
	default: // as the runner joins the two lines
		file, rest, _ := strings.Cut(at, ": ")
		place, message = file, rest
	}
	s.said = normalize(message, false)
	path := withoutPlace(place)
	s.frames = append(s.frames, frame{file: base(path), own: !strings.Contains(path, "/rustc/") && !strings.Contains(path, "/.cargo/")})
	for ; s.end < len(lines); s.end++ {
		line := lines[s.end]
		trimmed := strings.TrimLeft(line, " ")
		switch n := digits(trimmed); {
		case line == "", strings.HasPrefix(line, "stack backtrace:"), strings.HasPrefix(line, "note: "), strings.HasPrefix(line, "  left: "), strings.HasPrefix(line, " right: "):
		case len(trimmed) < len(line) && n > 0 && strings.HasPrefix(trimmed[n:], ": "):
			name := rustName(trimmed[n+2:])
			if name != "" && name != "main" && !beginsWith(name, rustNames) && !strings.Contains(name, " as core::") {
				s.frames = append(s.frames, frame{name: name, own: true})
			}
		case strings.HasPrefix(trimmed, "at ") && len(trimmed) < len(line):
		default:
			return s
		}
	}
	return s
}

// rustName is a function's without its address and the hash at its end.
func rustName(name string) string {
	if _, rest, is := strings.Cut(name, " - "); is && strings.HasPrefix(name, "0x") {
		name = rest
	}
	if at := strings.LastIndex(name, "::h"); at > 0 && len(name)-at == len("::h")+16 && isHex(name[at+3:]) {
		name = name[:at]
	}
	return strings.TrimSuffix(name, "::{{closure}}")
}

// rustCauses reads what anyhow and eyre print: "Error: a", "Caused by:", and the causes, the last of which is the failure's root.
func rustCauses(lines []string, i int) *stack {
	top := ""
	for back := i - 1; back >= 0 && back >= i-3; back-- {
		if strings.HasPrefix(lines[back], "Error: ") {
			top = strings.TrimPrefix(lines[back], "Error: ")
			break
		}
	}
	root := ""
	for i++; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " ")
		if len(line) == len(lines[i]) {
			break
		}
		if n := digits(line); n > 0 {
			line = strings.TrimPrefix(line[n:], ": ")
		}
		root = line
	}
	if top == "" || root == "" {
		return nil
	}
	return &stack{lang: "rust", kind: "Error", said: normalize(top, false) + " (caused by: " + normalize(root, false) + ")", end: i}
}
