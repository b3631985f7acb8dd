package fingerprint

import "strings"

// phpFatal reads "PHP Fatal error:  Uncaught Exception: boom in /app/x.php:3" with the trace behind it. Of several that caused each other
// PHP writes the first one first.
func phpFatal(lines []string, i int) *stack {
	_, rest, _ := strings.Cut(lines[i], "Fatal error:")
	rest = strings.TrimLeft(rest, " ")
	rest, uncaught := strings.CutPrefix(rest, "Uncaught ")
	s := &stack{lang: "php", kind: "fatal error", end: i + 1}
	at := strings.LastIndex(rest, " in ")
	message := rest
	if at > 0 {
		place := rest[at+4:]
		message = rest[:at]
		file, _, _ := strings.Cut(place, " on line ")
		file = withoutPlace(file)
		s.frames = append(s.frames, frame{file: base(file), own: !strings.Contains(file, "/vendor/")})
	}
	s.said = normalize(message, false)
	if !uncaught {
		return s
	}
	if kind, text, is := exception(message); is {
		s.kind, s.said = kind, normalize(text, false)
	}
	for j := i + 1; j < len(lines) && j <= i+headerBack; j++ { // the message may have several lines
		if strings.HasPrefix(lines[j], "#0 ") {
			s.end = phpFrames(lines, j, s)
			break
		}
	}
	for s.end < len(lines) && (lines[s.end] == "" || strings.HasPrefix(lines[s.end], "Next ") || strings.HasPrefix(lines[s.end], "Stack trace:") ||
		strings.HasPrefix(lines[s.end], "#") || strings.HasPrefix(lines[s.end], "  thrown in ")) {
		s.end++
	}
	return s
}

// phpStack reads a trace as a program prints it for itself.
func phpStack(lines []string, i int) *stack {
	if !strings.Contains(lines[i], "(") {
		return nil
	}
	kind, message := header(lines, i)
	if kind == "" {
		return &stack{end: phpFrames(lines, i, &stack{})}
	}
	s := &stack{lang: "php", kind: kind}
	if at := strings.LastIndex(message, " in /"); at >= 0 {
		file := withoutPlace(message[at+4:])
		s.frames = append(s.frames, frame{file: base(file), own: !strings.Contains(file, "/vendor/")})
		message = message[:at]
	}
	s.said = normalize(message, false)
	s.end = phpFrames(lines, i, s)
	return s
}

// phpFrames reads "#0 /app/x.php(5): f(1)": the function that was called, and where.
func phpFrames(lines []string, i int, s *stack) int {
	for ; i < len(lines) && strings.HasPrefix(lines[i], "#"); i++ {
		_, rest, _ := strings.Cut(lines[i], " ")
		place, call, is := strings.Cut(rest, ": ")
		if !is {
			continue
		}
		file, _, _ := strings.Cut(place, "(")
		name, _, _ := strings.Cut(call, "(")
		s.frames = append(s.frames, frame{name: name, file: base(file), own: !strings.Contains(file, "/vendor/") && !strings.HasPrefix(place, "[internal")})
	}
	return i
}
