package fingerprint

import "strings"

// javaPackages and nodeFiles are what is not the program's own.
var (
	javaPackages = []string{
		"java.", "javax.", "jdk.", "sun.", "com.sun.", "jakarta.", "kotlin.", "kotlinx.", "scala.", "groovy.", "clojure.", "org.springframework.", "org.hibernate.", "org.apache.",
		"org.postgresql.", "org.eclipse.", "org.junit.", "org.slf4j.", "ch.qos.", "com.mysql.", "com.zaxxer.", "com.fasterxml.", "com.google.", "io.netty.", "io.grpc.", "io.micrometer.",
		"io.vertx.", "okhttp3.", "okio.", "reactor.", "redis.clients.", "feign.", "retrofit2.", "rx.", "io.reactivex.",
	}
	nodeFiles = []string{"node:", "node_modules", "internal/", "<anonymous>", "native", "ext:", "deno:", "bun:"}
)

// section is an exception with its frames; those below have the causes.
type section struct {
	kind, said string
	frames     []frame
}

// atStack reads frames that begin with "at", of Java and of JavaScript. The last cause is the failure; where its frames are none of the
// program's own, those of the exception that it caused are taken.
func atStack(lines []string, i int) *stack {
	kind, message := header(lines, i)
	sections := []section{{kind: kind, said: message}}
	java := false
	for ; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t")
		last := &sections[len(sections)-1]
		switch indented := len(line) < len(lines[i]); {
		case indented && strings.HasPrefix(line, "at "):
			if strings.HasPrefix(lines[i], "\t\t") { // of a suppressed exception
				continue
			}
			f, isJava := atFrame(line[len("at "):])
			java = java || isJava
			if len(last.frames) < 40 && f != (frame{}) {
				last.frames = append(last.frames, f)
			}
		case strings.HasPrefix(line, "... "), indented && strings.HasPrefix(line, "Suppressed: "), indented && strings.HasPrefix(line, "--- "):
		case strings.HasPrefix(line, "Caused by: "), indented && strings.HasPrefix(line, "[cause]: "):
			if strings.HasPrefix(lines[i], "\t") { // of a suppressed exception
				continue
			}
			kind, message, is := exception(line)
			if !is {
				_, message, _ = strings.Cut(line, ": ")
			}
			sections = append(sections, section{kind: kind, said: message})
		case line != "" && len(sections) > 1 && len(last.frames) == 0 && framesFollow(lines, i): // the message of a cause has several lines
		case indented && lines[i-1] != "" && strings.HasSuffix(lines[i-1], "{"), line == "}", indented && insideObject(line): // what Node shows of an error's own
		default:
			return atDone(sections, java, i)
		}
	}
	return atDone(sections, java, i)
}

// framesFollow reports whether a frame follows within a few lines.
func framesFollow(lines []string, i int) bool {
	for j := i + 1; j < len(lines) && j < i+headerBack; j++ {
		if strings.HasPrefix(strings.TrimLeft(lines[j], " \t"), "at ") {
			return true
		}
	}
	return false
}

// insideObject reports whether a line is a property as Node prints it.
func insideObject(line string) bool {
	key, _, is := strings.Cut(line, ": ")
	return is && isName(strings.Trim(key, "'[]")) || line == "}" || line == "]" || line == "},"
}

func atDone(sections []section, java bool, end int) *stack {
	root := sections[len(sections)-1]
	s := &stack{lang: "node", kind: root.kind, said: normalize(strings.TrimSuffix(root.said, " {"), false), end: end}
	if java {
		s.lang = "java"
	}
	if s.kind == "" {
		s.kind = "Error"
	}
	for i := len(sections) - 1; i >= 0; i-- {
		for _, f := range sections[i].frames {
			if f.own {
				s.frames = sections[i].frames
				return s
			}
		}
	}
	s.frames = root.frames
	return s
}

// atFrame reads what stands behind "at".
func atFrame(text string) (f frame, java bool) {
	text = strings.TrimSuffix(text, " {")
	name, place, has := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	if has && !strings.HasSuffix(name, " ") { // Java: no blank before the place
		file, _, _ := strings.Cut(place, ":")
		name = name[strings.LastIndexByte(name, '/')+1:] // without the module
		if strings.Contains(name, "$$Lambda") || strings.Contains(name, "GeneratedMethodAccessor") || strings.HasPrefix(name, "jdk.internal.reflect.") {
			return frame{}, true
		}
		own := !beginsWith(name, javaPackages)
		return frame{name: javaName(name), own: own && file != "Unknown Source"}, true
	}
	if !has {
		name, place = "", text
		if rest, async := strings.CutPrefix(place, "async "); async {
			place = rest
		}
	}
	name = strings.TrimSpace(name)
	for _, prefix := range []string{"async ", "new "} {
		name = strings.TrimPrefix(name, prefix)
	}
	if alias := strings.Index(name, " [as "); alias > 0 {
		name = name[:alias]
	}
	path := withoutPlace(place)
	path, _, _ = strings.Cut(path, "?")
	return frame{name: name, file: base(path), own: !containsAny(path, nodeFiles)}, false
}

// javaName takes off what a compiler or a proxy numbers: $1, lambda$main$0, $$EnhancerBySpringCGLIB$$1a2b3c4d.
func javaName(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name
	}
	class, method := name[:dot], name[dot+1:]
	if at := strings.Index(class, "$$"); at > 0 {
		class = class[:at]
	}
	for _, part := range []*string{&class, &method} {
		if at := strings.LastIndexByte(*part, '$'); at > 0 && digits((*part)[at+1:]) == len(*part)-at-1 {
			*part = (*part)[:at]
		}
	}
	return class + "." + method
}
