package runner

import (
	"regexp"
	"slices"
	"strings"
)

// diagnosis finds, among the lines of an attempt as they come, the one that says why it failed: not the last frame of a
// stack, not the advice after it. It keeps a few lines, however many there are.
//
// A line with a reason is one of level error, or one by which a language's runtime reports what ended the program. The last
// such line wins if it is among the last messages, stacks not counted; else the last line does that is no advice.
type diagnosis struct {
	reason string
	header bool   // reason begins a stack or the like
	cause  string // what the runtime says was behind it
	since  int    // messages after it
	other  string // the last message that is no reason by itself
	advice string // the last message that would only be shown if there were no other
	npm    string // what npm says about a program that it ran

	reports int // of runtimes so far

	state state
}

// state is what the line before leads to expect.
type state int

const (
	plain     state = iota
	inPython        // in the frames of a traceback: the next line that is not indented is the reason
	inIgnored       // the same, of an exception that Python ignores
	inGo            // in the stacks of a Go program
	inRust          // in a backtrace of Rust
	wantRust        // the next line is the message of a panic of Rust
	inCauses        // in the list below "Caused by:"
)

var (
	atFrame     = regexp.MustCompile(`^\s+at [\w$<.(\[/]|^\s+at async |^\s+--- End of |^\s+\.\.\. \d+ (?:more|common frames)|^\s+(?:Suppressed|Caused by): `)
	pythonFrame = regexp.MustCompile(`^\s+File "[^"]*", line \d+`)
	pythonLink  = regexp.MustCompile(`^(?:During handling of the above exception|The above exception was the direct cause)`)
	goFrame     = regexp.MustCompile(`^goroutine \d+ |^\t|^created by |^\S+\(.*\)$|^r[a-z0-9]{1,5}\s+0x|^\[signal |^\S+\.\S+\(.*\)$|^\.\.\.`)
	rustFrame   = regexp.MustCompile(`^\s|^stack backtrace:`)
	otherFrame  = regexp.MustCompile(`^\s+from \S+:\d+|^\s+\d+: from |^#\d+ |^\s+thrown in |^Stack trace:$|^Stacktrace:$|^stack traceback:$|^CallStack \(|^\s+\[C\]: |^\s+\S+\.lua:\d+: in |^ \[\d+\] |^\s*[\^~]+\s*$|^\s*\|?\s*[\^~]+\s*$`)

	// exceptionForm is the first line of an exception in Java, JavaScript, Python, Ruby and .NET.
	exceptionForm = regexp.MustCompile(`^(?:Exception in thread "[^"]*" |Unhandled exception\. |Unhandled Exception: |Uncaught |error: Uncaught |\(in promise\) |error: )*` +
		`\[?(?:[A-Za-z_$][\w$]*(?:\.|::|\\))*[A-Z][\w$]*(?:Error|Exception|Failure|Throwable|Rejection|Interrupt|Exit|Fault|Violation)\b(?: \[[A-Z_0-9]+\])?(?::\s|:?$| \{)`)
	rubyError  = regexp.MustCompile(`^\S+:\d+:in [` + "`" + `'"].*['"]: |^\S+\.rb:\d+: .*\(\w+\)$`)
	rustForm   = regexp.MustCompile(`^thread '.*'(?: \(\d+\))? panicked at (.*)$`)
	rustOld    = regexp.MustCompile(`^'(.*)', (\S+:\d+:\d+)$`)
	causeForm  = regexp.MustCompile(`^(?:(?:Caused by|Wrapped by): (.+)| ---> (.+)|\s+\[cause\]: (.+))`)
	rejectForm = regexp.MustCompile(`^\[?UnhandledPromiseRejection: .* rejected with the reason "(.*)"\.`)
	whatForm   = regexp.MustCompile(`^\s+what\(\):\s+(.*)`)
	listedForm = regexp.MustCompile(`^\s+(?:\d+: )?(\S.*)`)
	groupForm  = regexp.MustCompile(`^\s+[|+](?: |-+ ?\d* ?-*)*`)
	npmNoise   = regexp.MustCompile(`^(?:code|errno|syscall|path|dest|workspace|location|command|signal|file|node|npm|argv|cwd|Darwin|Linux|Windows\S*)\b|^A complete log|^This is probably|^Exit status|^Failed at|^Lifecycle script|^There is likely|^Tell the author|^\S*/_logs/|^\S+@\S+ \S+: |^$`)

	adviceForm = regexp.MustCompile(`^exit status \d+$|^make(?:\[\d+\])?: \*\*\* |^\s*[{}]\s*$|^\s+(?:code|errno|syscall|path|requireStack|cause): `)
)

// crashes are how the report of what ended a program begins, in a runtime's words.
var crashes = []string{
	"panic: ", "fatal error: ", "\tpanic: ", "PHP Fatal error:", "PHP Parse error:", "PHP Recoverable fatal error:", "Fatal error: ", "Parse error: ", "** (",
	"terminate called ", "libc++abi: ", "Error in ", "Error: ", "lua: ", "lua5", "luajit: ", "ERROR: LoadError: ", "Exception in thread ", "Unhandled exception. ", "Uncaught ",
}

// advices are printed beside a failure and say nothing of it.
var advices = []string{
	"Node.js v", "Bun v", "(Use `node --trace", "note: run with", "note: Some details", "note: the panic", "thread caused non-unwinding", "thread panicked while",
	"fatal runtime error: ", "Execution halted", "error Command failed with exit code", "info Visit https", "node:internal", "Require stack:", "- /",
	"Backtrace:", "Stack backtrace:", "Aborted", "Segmentation fault", "To see a list", "Did you mean", "tar: Error is not recoverable", "tar: Exiting with failure status",
}

func beginsWith(text string, any []string) bool {
	return slices.ContainsFunc(any, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

// add takes the next line.
func (r *diagnosis) add(l Line) {
	if l.structured {
		r.state = plain
		if l.Level == "error" {
			r.found(l.Msg, false)
		} else {
			r.pass(l.Msg)
		}
		return
	}
	for text := range strings.SplitSeq(l.Msg, "\n") {
		r.addText(strings.TrimRight(text, " \t"), l.Level)
	}
}

func (r *diagnosis) addText(text, level string) {
	if strings.TrimSpace(text) == "" {
		return // it leaves the state alone
	}
	indented := isIndented(text)
	if indented && groupForm.MatchString(text) { // a Python group of exceptions is drawn as a tree
		if text = groupForm.ReplaceAllString(text, ""); strings.TrimSpace(text) == "" {
			return
		}
		if strings.HasPrefix(text, "File ") {
			text = "  " + text
		}
	}
	if r.follow(text) {
		return
	}
	head := text[:min(len(text), diagnosed)]
	switch m := matchIf(strings.Contains(head, "aused by: ") || strings.Contains(head, "rapped by: ") || indented, causeForm, head); {
	case m != nil && r.header:
		r.cause = causeForm.ReplaceAllString(text, "$1$2$3")
	case text == "Caused by:" && r.reason != "":
		r.state = inCauses
	case indented && atFrame.MatchString(head):
		switch {
		case r.reason != "" && (r.since == 0 || r.header && r.since < 5):
			if !r.header {
				r.header = true
				r.reports++
			}
		case r.other != "": // what stands above the first frame
			r.found(r.other, true)
		}
		r.since = min(r.since, 4)
	case strings.HasPrefix(text, "Traceback (most recent call last)"), strings.HasPrefix(text, "Exception Group Traceback"), indented && pythonFrame.MatchString(head):
		r.state = inPython
	case strings.HasPrefix(text, "Exception ignored in"):
		r.state = inIgnored
	case (indented || strings.IndexByte("#SsC^~", text[0]) >= 0) && otherFrame.MatchString(head), strings.HasSuffix(text, ":") && pythonLink.MatchString(head):
	case strings.HasPrefix(text, "thread '") && rustForm.MatchString(text):
		r.panicked(rustForm.FindStringSubmatch(text)[1])
	case indented && r.header && whatForm.MatchString(text):
		r.reason += ": " + whatForm.FindStringSubmatch(text)[1]
	case advises(head, indented):
		r.advice = text
	case strings.HasPrefix(text, "npm ") && npmForm.MatchString(text):
		r.npmSays(text)
	case beginsWith(text, crashes), text == "Error", namesException(head) && exceptionForm.MatchString(head),
		(strings.Contains(head, ":in ") || strings.Contains(head, ".rb:")) && rubyError.MatchString(head):
		r.found(strings.TrimSpace(text), true)
		if strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") || strings.HasPrefix(text, "\tpanic: ") {
			r.state = inGo
		}
	case level == "error":
		r.found(text, false)
	default:
		r.pass(text)
	}
}

// advises reports whether a line is printed beside a failure and says nothing of it.
func advises(text string, indented bool) bool {
	return beginsWith(text, advices) ||
		(indented || strings.IndexByte("em{}", text[0]) >= 0) && adviceForm.MatchString(text)
}

// diagnosed is how much of a line's beginning is looked at.
const diagnosed = 200

func isIndented(text string) bool { return text[0] == ' ' || text[0] == '\t' }

func matchIf(may bool, form *regexp.Regexp, text string) []string {
	if !may {
		return nil
	}
	return form.FindStringSubmatch(text)
}

// namesException is quick: whether a line may be the first of an exception.
func namesException(head string) bool {
	for _, word := range []string{"Error", "Exception", "Failure", "Throwable", "Rejection", "Interrupt", "Exit", "Fault", "Violation"} {
		if strings.Contains(head, word) {
			return true
		}
	}
	return false
}

// follow takes a line that belongs to what came before it.
func (r *diagnosis) follow(text string) bool {
	indented := isIndented(text)
	switch r.state {
	case inPython, inIgnored:
		if indented || strings.HasPrefix(text, "Traceback ") {
			return true
		}
		if r.state == inPython {
			r.found(text, true)
		}
		r.state = plain
		return true
	case inGo:
		if strings.HasPrefix(text, "\tpanic: ") {
			return false
		}
		if goFrame.MatchString(text) {
			return true
		}
	case inRust:
		if rustFrame.MatchString(text) {
			return true
		}
	case wantRust:
		r.reason += " " + strings.TrimSpace(text)
		r.state = inRust
		return true
	case inCauses:
		if m := listedForm.FindStringSubmatch(text); m != nil && !advises(text, true) {
			r.cause = m[1]
			return true
		}
	default:
		return false
	}
	r.state = plain
	return false
}

// panicked takes what stands behind "panicked at" in the report of a Rust program.
func (r *diagnosis) panicked(at string) {
	r.state = inRust
	if m := rustOld.FindStringSubmatch(at); m != nil {
		at = m[2] + ": " + m[1]
	} else if strings.HasSuffix(at, ":") {
		r.state = wantRust
	}
	next := r.state
	r.found("panicked at "+at, true)
	r.state = next
}

func (r *diagnosis) npmSays(text string) {
	said := strings.TrimSpace(npmForm.ReplaceAllString(text, ""))
	if r.npm == "" && levelOfText(text) == "error" && !npmNoise.MatchString(said) {
		r.npm = text
	}
}

func (r *diagnosis) found(text string, header bool) {
	if m := rejectForm.FindStringSubmatch(text); m != nil {
		text = "UnhandledPromiseRejection: " + m[1]
	}
	*r = diagnosis{reason: text, header: header, other: r.other, advice: r.advice, npm: r.npm, reports: r.reports}
	if header {
		r.reports++
	}
}

// reported says whether the reason is what a runtime reported.
func (r *diagnosis) reported() bool { return r.reason != "" && r.since < lastLines && r.header }

func (r *diagnosis) pass(text string) {
	r.other = text
	r.since++
}

// text is the reason; empty when the program said nothing.
func (r *diagnosis) text() string {
	switch {
	case r.reason != "" && r.since < lastLines:
		if r.cause != "" && !strings.Contains(r.reason, r.cause) {
			return clipLine(r.reason + " (caused by: " + r.cause + ")")
		}
		return r.reason
	case r.npm != "":
		return r.npm
	case r.other != "":
		return r.other
	}
	return r.advice
}
