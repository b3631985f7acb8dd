package fingerprint

import "strings"

var rubyFiles = []string{"/gems/", "/lib/ruby/", "<internal:", "/rubygems/", "/bundler/"}

// rubyStack reads "x.rb:1:in 'f': boom (RuntimeError)" and the lines with "from" behind it. Ruby 2.5 to 2.7 wrote them the other way round.
func rubyStack(lines []string, i int) *stack {
	line := lines[i]
	in := strings.Index(line, ":in ")
	if in <= 0 || line[0] <= ' ' || in+5 >= len(line) || strings.IndexByte("`'\"", line[in+4]) < 0 || !isDigit(line[in-1]) {
		return nil
	}
	shut := strings.Index(line[in+5:], "': ")
	if shut < 0 {
		return nil
	}
	s := &stack{lang: "ruby", kind: "RuntimeError"}
	message := line[in+5+shut+len("': "):]
	s.frames = append(s.frames, rubyFrame(line[:in+5+shut+1]))
	above := 0
	for back := i - 1; back >= 0 && isRubyFrom(lines[back], true); back-- { // the outermost first
		_, place, _ := strings.Cut(lines[back], "from ")
		s.frames = append(s.frames, rubyFrame(place))
		above++
	}
	s.end = i + 1
	typed := func(text string) bool {
		open := strings.LastIndex(text, " (")
		if open < 0 || !strings.HasSuffix(text, ")") || !isType(text[open+2:len(text)-1]) || strings.IndexByte(text[open+2:], ' ') >= 0 {
			return false
		}
		s.kind, message = text[open+2:len(text)-1], text[:open]
		return true
	}
	is := typed(message)
	for j := i + 1; j < len(lines) && j < i+40; j++ {
		switch {
		case isRubyFrom(lines[j], false):
			if above == 0 {
				s.frames = append(s.frames, rubyFrame(strings.TrimPrefix(strings.TrimLeft(lines[j], " \t"), "from ")))
			}
			s.end = j + 1
		case j > i+headerBack && s.end <= i+1:
			j = len(lines)
		case s.end > i+1 && lines[j] != "": // what follows the frames
			j = len(lines)
		}
	}
	if !is && s.end == i+1 && above == 0 {
		return nil
	}
	s.said = normalize(message, false)
	return s
}

func isRubyFrom(line string, numbered bool) bool {
	trimmed := strings.TrimLeft(line, " \t")
	if len(trimmed) == len(line) {
		return false
	}
	if numbered {
		n := digits(trimmed)
		return n > 0 && strings.HasPrefix(trimmed[n:], ": from ")
	}
	return strings.HasPrefix(trimmed, "from ") && strings.Contains(trimmed, ":in ")
}

// rubyFrame reads file:line:in 'name'. Ruby 3.4 names the class, too; the name is as before it.
func rubyFrame(text string) frame {
	at := strings.Index(text, ":in ")
	if at < 0 {
		return frame{}
	}
	path := withoutPlace(text[:at])
	name := strings.Trim(text[at+4:], "`'\"")
	if block := strings.LastIndex(name, " in "); block > 0 && strings.HasPrefix(name, "block ") {
		name = name[block+4:]
	}
	name = name[strings.LastIndexAny(name, "#.")+1:]
	return frame{name: name, file: base(path), own: !containsAny(path, rubyFiles)}
}
