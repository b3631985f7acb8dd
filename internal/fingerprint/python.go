package fingerprint

import "strings"

// pythonFiles are folders of what is not the program's own.
var pythonFiles = []string{"/site-packages/", "/dist-packages/", "/lib/python", "/lib64/python", "<frozen ", "<string>", `\lib\`}

// pythonStack reads frames and the exception behind them; its begin may be missing. Of several that were raised one after the
// other the last is the failure, which findStack sees to.
func pythonStack(lines []string, i int) *stack {
	s := &stack{lang: "python"}
	var frames []frame
	var sources []string
	for ; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t|+")
		switch inner := len(lines[i]) > len(line); {
		case line == "" || strings.HasPrefix(line, "---"):
			continue
		case inner && strings.HasPrefix(line, `File "`):
			frames = append(frames, pythonFrame(line))
			sources = append(sources, "")
			continue
		case strings.HasPrefix(line, "[Previous line repeated"):
			continue
		case inner && isDeeper(lines[i]) && !strings.HasPrefix(line, "Traceback "):
			if last := len(sources) - 1; sources[last] == "" && strings.Trim(line, "~^ ") != "" {
				sources[last] = line
			}
			continue
		}
		s.kind, s.said = line, ""
		if kind, message, is := pythonException(line); is {
			s.kind, s.said = kind, normalize(message, false)
		} else {
			s.kind = "" // what is indented less is none of it: the end was cut off
		}
		break
	}
	s.end = i + 1
	if s.kind == "" {
		s.end = i
		return s
	}
	for j := len(frames) - 1; j >= 0; j-- { // the innermost comes first
		s.frames = append(s.frames, frames[j])
		if s.source == "" && frames[j].own {
			s.source = strings.Join(strings.Fields(sources[j]), " ")
		}
	}
	return s
}

// isDeeper reports whether a line is indented as what stands below a frame, in a group of exceptions too.
func isDeeper(line string) bool {
	if bar := strings.LastIndexByte(line[:min(len(line), 12)], '|'); bar >= 0 {
		line = line[bar+1:]
		return strings.HasPrefix(line, "   ")
	}
	return strings.HasPrefix(line, "    ")
}

func pythonFrame(line string) (f frame) {
	rest := line[len(`File "`):]
	end := strings.IndexByte(rest, '"')
	if end < 0 {
		return f
	}
	path := rest[:end]
	if at := strings.LastIndex(rest, ", in "); at > end {
		f.name = rest[at+len(", in "):]
	}
	f.file, f.own = base(path), !containsAny(path, pythonFiles)
	return f
}

// pythonException is the line behind the frames: a type with or without its module, and a message.
func pythonException(line string) (kind, message string, is bool) {
	kind, message, _ = strings.Cut(line, ": ")
	kind = strings.TrimSuffix(kind, ":")
	for i := range len(kind) {
		if !isWord(kind[i]) && kind[i] != '.' {
			return "", "", false
		}
	}
	return kind, message, kind != "" && !isDigit(kind[0])
}
