package fingerprint

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Errors that engines report in one line.
func TestFingerprintsIgnoreWhatVaries(t *testing.T) {
	same := [][]string{
		{"exit status 3: cannot read /tmp/a/b.txt", "exit status 4: cannot read /var/c.txt"},
		{"timed out after 30s", "timed out after 5m0s", "timed out after 1.5 seconds"},
		{`unknown key "abc"`, `unknown key "x y z"`},
		{"job 123e4567-e89b-12d3-a456-426614174000 failed", "job 00000000-0000-0000-0000-426614174fff failed", "job 46159738-39d3-08b7-ab07-5ce1b5d66134 failed", "job 12 failed"},
		{"GET https://example.com/a?x=1: 502", "GET https://example.org/b: 503"},
		{"object 9fceb02d0ae598e95dc970b74767f19372d61af8 missing", "object 0123456789abcdef0123456789abcdef01234567 missing"},
		{"at 0x7ffe12 line 12", "at 0xdeadbeef line 7"},
		{"exit status 1: commit 9fceb02 is not there", "exit status 1: commit 1a2b3c4d is not there", "exit status 1: commit 1234567 is not there"},
		{"exit status 1: com.example.Job@1b6d3586 is stuck", "exit status 1: com.example.Job@4554617c is stuck", "exit status 1: com.example.Job@deadbeef is stuck"},
		{"exit status 1: Error: job 3E4D9F00-e89b-12d3-a456-42661417400A", "exit status 1: Error: job 00000000-E89B-12d3-a456-426614174fff"},
		{"exit status 3"}, {"exit status 4"}, {"ended by SIGKILL"}, {"ended by SIGSEGV"},
		{`exit status 1: "disk full"`}, {`exit status 1: "no route"`},
		{"exit status 1: panicked at src/main.rs:2:5: no such user", "exit status 101: panicked at src/main.rs:9:5: no such user"},
		{"exit status 1: effaced"}, {"exit status 1: defaced"},
		{"worker lost"}, {"the worker was stopped; the job went back to the queue"},
		{"ERROR: relation \"orders\" does not exist"}, {"ERROR: relation \"users\" does not exist"},
		{"level=error msg=\"no room\" user=bob n=5", "level=error msg=\"no room\" user=alice n=6", "level=error msg=\"no room\" user=46159738-39d3-08b7-ab07-5ce1b5d66134 n=7"},
		{"level=error msg=\"no light\" user=bob n=5"},
		{"dial tcp [::1]:5432: connect: connection refused", "dial tcp 10.0.0.7:5432: connect: connection refused", "dial tcp db-3.internal:5432: connect: connection refused"},
		{"no key cus_NffrFeUfNV2Hib", "no key cus_Q1r5Tg7Yh2Nm8K"}, {"needs x86_64"}, {"needs utf8"}, {"needs sha256"},
	}
	seen := map[string]string{}
	for _, texts := range same {
		first := Of(texts[0], "")
		for _, text := range texts {
			if got := Of(text, ""); got.Key != first.Key {
				t.Errorf("%q and %q differ: %q, %q", texts[0], text, first.Why, got.Why)
			}
		}
		if other, dup := seen[first.Key]; dup {
			t.Errorf("%q and %q are the same: %q", other, texts[0], first.Why)
		}
		seen[first.Key] = texts[0]
		if first.In("a") == first.In("b") {
			t.Errorf("%q is the same for another agent", texts[0])
		}
		if len(first.Key) != keyLength || len(first.In("a")) != keyLength || first.Version != Version {
			t.Errorf("fingerprint %+v", first)
		}
	}
}

func TestNormalizeHidesWhatVaries(t *testing.T) {
	for in, want := range map[string]string{
		"2026-05-01T12:34:56.789Z ERROR no room":                             "<time> ERROR no room",
		"[01/May/2026:12:34:56 +0000] no room":                               "[<time>] no room",
		"Fri, 01 May 2026 12:34:56 GMT: no room":                             "<time>: no room",
		"May  1 12:34:56 host-7 app[12]: no room":                            "<time> host-<n> app[<n>]: no room",
		"Mon May  4 12:34:56 2026 no room":                                   "<time> no room",
		"May I go? Second try. March on, Marching":                           "May I go? Second try. March on, Marching",
		"12:34:56,123 no room":                                               "<time> no room",
		"took 1h2m3.5s, 12 ms, 5 seconds, 3µs":                               "took <n>, <n>, <n>, <n>",
		"1.5 GiB of 20KB, 10 bytes, 90%":                                     "<n> of <n>, <n>, <n>",
		"-5 is not 5e-3 nor 1,234,567.89":                                    "<n> is not <n> nor <n>",
		"h264 utf8 x509 S3 ipv4 http2 python3":                               "h264 utf8 x509 S3 ipv4 http2 python3",
		"agent v1.22.3 and go1.22":                                           "agent v1.<n> and go1.<n>",
		"10.1.2.3:80, 10.0.0.0/8, [fe80::1]:80, ::1, 2001:db8::ff00:42:8329": "<host>, <host>, <host>, <host>, <host>",
		"std::bad_alloc in a::b":                                             "std::bad_alloc in a::b",
		"lookup db-3.svc.cluster.local: no":                                  "lookup <host>: no",
		"java.lang.IllegalStateException in com.shop.Main.go":                "java.lang.IllegalStateException in com.shop.Main.go",
		"to ann.b+7@mail.example.com now":                                    "to <email> now",
		"postgres://u:p@db/x?a=1 and (https://x.org/a).":                     "<url> and (<url>).",
		"open /var/lib/x/a-12.csv: no":                                       "open <path>.csv: no",
		"run /srv/job.py, ./job.py, src/app/job.py":                          "run <path>/job.py, <path>/job.py, <path>/job.py",
		"run /tmp/tmpab12.py then /usr/bin/ffmpeg":                           "run <path>.py then <path>/ffmpeg",
		`open C:\Users\ann\a.txt now`:                                        "open <path>.txt now",
		"and/or TCP/IP application/json 3/4":                                 "and/or TCP/IP application/json <n>/<n>",
		`can't open "a b" or 'c' or "d`:                                      `can't open <value> or <value> or "d`,
		`violates unique constraint "a_key" for key 'b.c'`:                   `violates unique constraint "a_key" for key "b.c"`,
		`relation "events_2026_05" of "x"`:                                   `relation "events_<n>_<n>" of <value>`,
		`{"code": "no_quota", "id": "abc", "n": 5}`:                          `{"code":"no_quota", "id":<value>, "n":<n>}`,
		"a == b, x=y z=1":                                                    "a == b, x=<value> z=<value>",
		"sha 9FCEB02D and 12ab34cd but facade, deadbeef":                     "sha <n> and <n> but facade, deadbeef",
	} {
		if got := normalize(in, false); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestAnExplicitFingerprintComesFirst(t *testing.T) {
	one, other := Of("Traceback (most recent call last):\nboom", " no  quota\n"), Of("exit status 1", "no quota")
	if one.Key != other.Key || one.Title != "no quota" || !slices.Equal(one.Why, []string{"explicit", "no quota"}) {
		t.Errorf("%+v, %+v", one, other)
	}
	if again := Of("no quota", ""); again.Key == one.Key {
		t.Error("what a program says is what it calls its failure")
	}
	if long := Of("", strings.Repeat("é", 10_000)); len(long.Title) > maxTitle || !utf8.ValidString(long.Title) {
		t.Errorf("title %q", long.Title)
	}
	if none := Of(" \n\n", " "); none.Key != "" || none.Title != "" {
		t.Errorf("of nothing: %+v", none)
	}
}

// How a log reaches us must not make another group.
func TestTheWayOfTheTextDoesNotMatter(t *testing.T) {
	eachLine := func(text string, change func(string) string) string {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		for i, line := range lines {
			lines[i] = change(line)
		}
		return strings.Join(lines, "\n") + "\n"
	}
	ways := map[string]func(string) string{
		"CRLF": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"colours": func(s string) string {
			return eachLine(s, func(l string) string { return "\x1b[1;31m" + l + "\x1b[0m" })
		},
		"a link":             func(s string) string { return "\x1b]8;;http://x\x07y\x1b]8;;\x1b\\\n" + s },
		"no newline":         func(s string) string { return strings.TrimSuffix(s, "\n") },
		"blanks behind":      func(s string) string { return eachLine(s, func(l string) string { return l + "  " }) },
		"invalid UTF-8":      func(s string) string { return "caf\xe9 \xff\xfe\n" + s },
		"a long line":        func(s string) string { return strings.Repeat("x y ", 300_000) + "\n" + s },
		"a long log":         func(s string) string { return strings.Repeat("read 12 of 200\n", 20_000) + s },
		"a few lines behind": func(s string) string { return s + "\n\n" },
		"other lines before": func(s string) string { return "ready\nread 2 rows in 3 s\n" + s },
	}
	for name, shape := range shapes(t) {
		text := newFiller(5).fill(strings.TrimPrefix(shape, "{log}"))
		want := Of(text, "")
		if !utf8.ValidString(want.Title) || len(want.Title) > maxTitle+len(" in ")+maxTitle || strings.ContainsAny(want.Title, "\n\r\x1b") {
			t.Errorf("%s: title %q", name, want.Title)
		}
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			if got := Of(ways[way](text), ""); got.Key != want.Key {
				t.Errorf("%s with %s: %q, want %q", name, way, got.Why, want.Why)
			}
		}
		lines := strings.Split("a failed once\nb is fine\nc: ERROR 5\nd took 5 s", "\n")
		for seed := range uint64(5) {
			newFiller(seed).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			if got := Of(strings.Join(lines, "\n")+"\n"+text, ""); got.Key != want.Key {
				t.Errorf("%s behind %q: %q, want %q", name, lines, got.Why, want.Why)
			}
		}
	}
}

// What is kept of a log may begin in the middle of a stack.
func TestTheEndOfAStackIsEnough(t *testing.T) {
	all := shapes(t)
	for name, last := range map[string]string{
		"python_json": `  File "{dir}/feeds.py", line {line}, in <module>`, "python_chained": "Traceback", "python_group": "    | Traceback",
		"python_subprocess": "    subprocess.run(", "java_cause": "Caused by: ", "java_spring": "Caused by: org.postgresql",
	} {
		shape := all[name]
		want := Of(newFiller(6).fill(shape), "")
		from := strings.LastIndex(shape, last)
		if name == "python_subprocess" || name == "java_spring" { // only as long as a frame of its own is there
			from = strings.Index(shape, "in <module>")
			if name == "java_spring" {
				from = strings.Index(shape, "\tat com.shop")
			}
			from = strings.LastIndexByte(shape[:from], '\n') + 1
		}
		for cut := range from + 1 {
			if strings.ContainsRune(shape[max(0, cut-8):cut], '{') && cut < len("{log}") {
				continue
			}
			if got := Of(newFiller(7).fill(shape[cut:]), ""); got.Key != want.Key {
				t.Fatalf("%s cut at %d: %q, want %q\n%s", name, cut, got.Why, want.Why, shape[cut:])
			}
		}
	}
}

// Loggers that write JSON or key=value put the stack on one line.
func TestAStackOnOneLineIsRead(t *testing.T) {
	python := `Traceback (most recent call last):\n  File \"/app/%/x.py\", line 3, in load\n    return d[k]\nKeyError: 'no %'`
	node := `TypeError: no %\n    at load (/app/%/x.js:1:2)\n    at node:internal/x:1:2`
	for _, form := range []string{
		`exit status 1: job % failed exc_info="` + python + `" user=%`,
		`{"level":"error","msg":"job % failed","exc_info":"` + python + `"}`,
		`exit status 1: job % failed err={"type":"TypeError","message":"no %","stack":"` + node + `"}`,
		`{"msg": "%", "stack": "` + node + `"}`,
	} {
		one, other := Of(strings.ReplaceAll(form, "%", "abc"), ""), Of(strings.ReplaceAll(form, "%", "xyz"), "")
		if one.Key != other.Key || !strings.HasSuffix(one.Why[0], " stack") || !strings.HasPrefix(one.Why[2], "load (x.") {
			t.Errorf("%s\n%q, %q", form, one.Why, other.Why)
		}
	}
}

func TestAStackThatIsNotTheReasonIsPassedOver(t *testing.T) {
	stack := "Traceback (most recent call last):\n  File \"x.py\", line 3, in load\n    return d[k]\nKeyError: 'a'\n"
	for text, want := range map[string]string{
		stack + "exit status 1: KeyError: 'a'":                                                                "python stack",
		stack + "exit status 1: terminate called after throwing an instance of 'std::bad_alloc'":              "error line",
		stack + "Exception ignored in: <stdout>\n" + strings.ReplaceAll(stack, "KeyError", "BrokenPipeError"): "python stack",
	} {
		if got := Of(text, ""); got.Why[0] != want || strings.Contains(got.Title, "BrokenPipe") {
			t.Errorf("%s\n%q, want %s", text, got.Why, want)
		}
	}
	a, b := Of("Exception in thread \"main\" java.lang.RuntimeException: no mail\n\tat a.Main.main(Main.java:5)\n", ""), Of("Exception in thread \"main\" java.lang.RuntimeException: no room\n\tat a.Main.main(Main.java:5)\n", "")
	if a.Key == b.Key {
		t.Errorf("a type that says nothing leaves it to the message: %q", a.Why)
	}
}

// A stack that was logged long before the end was survived.
func TestAnOldStackIsNotTheFailure(t *testing.T) {
	text := newFiller(8).fill(shapes(t)["python_keyerror"])
	for n, want := range map[int]string{3: "python stack", 40: "error line"} {
		if got := Of(text+strings.Repeat("going on\n", n)+"no room left, failed", ""); got.Why[0] != want {
			t.Errorf("with %d lines behind it: %q, want a group by %s", n, got.Why, want)
		}
	}
}

func TestListsAreSorted(t *testing.T) {
	for _, list := range [][]string{units, domains, code, kept, reasons} {
		if !slices.IsSorted(list) {
			t.Errorf("not sorted: %q", list)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, shape := range shapes(f) {
		f.Add(newFiller(9).fill(shape))
	}
	f.Add("{\"a\":\"\\")
	f.Add("  File \"\n    | \n'`“=")
	f.Fuzz(func(t *testing.T, text string) {
		p := Of(text, "")
		if !utf8.ValidString(p.Title) || strings.ContainsAny(p.Title, "\n\r") || p.Key != "" && len(p.Key) != keyLength || p.Key != Of(text, "").Key {
			t.Errorf("%+v", p)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	all := shapes(b)
	for _, name := range []string{"sh_cat", "http_quota", "python_json", "java_spring"} {
		text := newFiller(10).fill(all[name])
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Of(text, "")
			}
		})
	}
	long := strings.Repeat("2026-05-01T12:34:56Z INFO read '/tmp/a/b.csv' of job 46159738-39d3-08b7-ab07-5ce1b5d66134\n", 200)
	b.Run("a long log", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Of(long, "")
		}
	})
}
