package runner

import (
	"fmt"
	"strings"
	"testing"
)

// The ends of programs as the runtimes of their languages report them, and the part that says why.
func TestTheReasonIsTheLineThatSaysWhy(t *testing.T) {
	frames := func(form string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form+"\n", i)
		}
		return b.String()
	}
	node := frames("    at f (node:internal/modules/cjs/loader:%d:7)", 7) + "\nNode.js v20.20.2\n"
	tests := []struct{ name, log, want string }{
		{"the last line", "one\ntwo\n", "two"},
		{"nothing", "", ""},
		{"level error", "{\"level\":\"error\",\"msg\":\"why\"}\nbye\n", "why"},
		{"long ago", "{\"level\":\"error\",\"msg\":\"once\"}\n" + frames("step %d", 20) + "the disk is full\n", "the disk is full"},
		{"text of level error", "ERROR: no route to host\nbye\n", "ERROR: no route to host"},
		{"node", "/app/x.js:1\nthrow new Error(\"boom\")\n^\n\nError: boom\n" + node, "Error: boom"},
		{"node without message", "/app/x.js:1\nthrow new Error()\n^\n\nError\n" + node, "Error"},
		{"node, class of its own", "/app/x.js:1\nthrow new Odd(\"boom\")\n^\n\nOdd [Error]: boom\n" + node, "Odd [Error]: boom"},
		{"node, module missing", "node:internal/modules/cjs/loader:1210\n  throw err;\n  ^\n\nError: Cannot find module './x'\nRequire stack:\n- /app/y.js\n" +
			frames("    at f (node:%d)", 9) + " {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: [ '/app/y.js' ]\n}\n\nNode.js v20.20.2\n", "Error: Cannot find module './x'"},
		{"node, rejected with a text", "node:internal/process/promises:389\n      new UnhandledPromiseRejection(reason);\n      ^\n\nUnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason \"no \"x\"\".\n    at throwUnhandledRejectionsMode (node:internal/process/promises:389:7) {\n  code: 'ERR_UNHANDLED_REJECTION'\n}\n\nNode.js v20.20.2\n",
			`UnhandledPromiseRejection: no "x"`},
		{"node, a text", "/app/x.js:1\nthrow \"just text\"\n^\njust text\n(Use `node --trace-uncaught ...` to show where the exception was thrown)\n\nNode.js v20.20.2\n", "just text"},
		{"node with a cause", "Error: fetch failed\n    at f (/app/x.js:1:7)\n    ... 4 lines matching cause stack trace ...\n    at g (/app/x.js:2:7) {\n  [cause]: Error: connect ECONNREFUSED 127.0.0.1:80\n      at h (/app/x.js:1:41)\n}\n\nNode.js v20.20.2\n",
			"Error: fetch failed (caused by: Error: connect ECONNREFUSED 127.0.0.1:80)"},
		{"bun", "1 | throw new Error(\"boom\")\n          ^\nerror: boom\n      at /app/x.js:1:7\n\nBun v1.1.0 (Linux x64)\n", "error: boom"},
		{"deno", "error: Uncaught (in promise) Error: boom\n    at file:///app/x.ts:1:7\n", "error: Uncaught (in promise) Error: boom"},
		{"python", "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    f()\n    ~^^\nValueError: boom\nsecond line\nthird line\n", "ValueError: boom"},
		{"python, class of its own", "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    f()\napp.Odd: boom\n", "app.Odd: boom"},
		{"python, one after the other", "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 5, in <module>\nValueError: boom\n", "ValueError: boom"},
		{"python, syntax", "  File \"x.py\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed\n", "SyntaxError: '(' was never closed"},
		{"python, a group", "  + Exception Group Traceback (most recent call last):\n  |   File \"x.py\", line 1, in <module>\n  |     raise ExceptionGroup(\"many\", [])\n  | ExceptionGroup: many (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | ValueError: first\n    +------------------------------------\n", "ValueError: first"},
		{"python, ignored", "Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\nValueError: boom\nException ignored in: <_io.TextIOWrapper name='<stdout>' mode='w' encoding='utf-8'>\nBrokenPipeError: [Errno 32] Broken pipe\n", "ValueError: boom"},
		{"python, logged before", "ERROR:root:failed\nTraceback (most recent call last):\n  File \"x.py\", line 3, in <module>\nValueError: boom\n", "ValueError: boom"},
		{"java", "Exception in thread \"main\" java.lang.IllegalStateException: boom\n" + frames("\tat com.example.Main.f(Main.java:%d)", 200), `Exception in thread "main" java.lang.IllegalStateException: boom`},
		{"java, causes", "Exception in thread \"main\" java.lang.RuntimeException: outer\n\tat M.main(M.java:3)\nCaused by: java.io.IOException: middle\n\tat M.f(M.java:2)\n\t... 1 more\nCaused by: java.net.ConnectException: refused\n\tat M.g(M.java:1)\n\t... 2 more\n",
			`Exception in thread "main" java.lang.RuntimeException: outer (caused by: java.net.ConnectException: refused)`},
		{"java, logged", "15:04:05.678 [main] ERROR c.e.App - it failed\ncom.example.Odd: boom\n\tat c.e.App.main(App.java:3)\n", "com.example.Odd: boom"},
		{"go", "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/x.go:4 +0x1d\n" + frames("\ngoroutine %d [select (no cases)]:\nmain.main.func1()\n\t/app/x.go:3 +0x1d\ncreated by main.main in goroutine 1\n\t/app/x.go:3 +0x1d", 90) + "exit status 2\n",
			"panic: assignment to entry in nil map"},
		{"go, again", "panic: first [recovered]\n\tpanic: again\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/x.go:4 +0x1d\nexit status 2\n", "panic: again"},
		{"go, deadlock", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t/app/x.go:2 +0x1d\nexit status 2\n", "fatal error: all goroutines are asleep - deadlock!"},
		{"go, a signal", "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48]\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/x.go:4 +0x1d\n", "panic: runtime error: invalid memory address or nil pointer dereference"},
		{"go, logged", "2026/01/02 15:04:05 no such user\n", "2026/01/02 15:04:05 no such user"},
		{"rust", "thread 'main' (7) panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", "panicked at src/main.rs:2:5: boom"},
		{"rust, old", "thread 'main' panicked at 'boom', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n", "panicked at src/main.rs:2:5: boom"},
		{"rust, backtrace", "thread 'main' panicked at src/main.rs:2:5:\nassertion `left == right` failed: sums\n  left: 2\n right: 3\nstack backtrace:\n" + frames("   %d: core::panicking::panic_fmt\n             at /rustc/library/core/src/panicking.rs:80:14", 30) + "note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n",
			"panicked at src/main.rs:2:5: assertion `left == right` failed: sums"},
		{"rust, anyhow", "Error: cannot start\n\nCaused by:\n    0: cannot read the settings\n    1: No such file or directory (os error 2)\n\nStack backtrace:\n   0: anyhow::error\n", "Error: cannot start (caused by: No such file or directory (os error 2))"},
		{"ruby", "x.rb:1:in 'Object#f': boom (RuntimeError)\n\tfrom x.rb:3:in '<main>'\n", "x.rb:1:in 'Object#f': boom (RuntimeError)"},
		{"ruby, older", "x.rb:1:in `f': undefined method `g' for nil (NoMethodError)\n\n  nil.g\n     ^^\n\tfrom x.rb:3:in `<main>'\n", "x.rb:1:in `f': undefined method `g' for nil (NoMethodError)"},
		{"php", "PHP Fatal error:  Uncaught Exception: boom in /app/x.php:3\nStack trace:\n#0 /app/x.php(5): f()\n#1 {main}\n  thrown in /app/x.php on line 3\n", "PHP Fatal error:  Uncaught Exception: boom in /app/x.php:3"},
		{".NET", "Unhandled exception. System.InvalidOperationException: outer\n ---> System.IO.IOException: inner\n   at Program.F() in /app/x.cs:line 3\n   --- End of inner exception stack trace ---\n   at Program.Main() in /app/x.cs:line 5\n", "Unhandled exception. System.InvalidOperationException: outer (caused by: System.IO.IOException: inner)"},
		{"shell", "+ cp /no/such /tmp\ncp: cannot stat '/no/such': No such file or directory\n", "cp: cannot stat '/no/such': No such file or directory"},
		{"shell, no program", "x.sh: line 3: nosuch: command not found\n", "x.sh: line 3: nosuch: command not found"},
		{"tar", "tar: /no/such.tgz: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n", "tar: /no/such.tgz: Cannot open: No such file or directory"},
		{"make", "cc: fatal error: no input files\nmake: *** [Makefile:2: all] Error 1\n", "cc: fatal error: no input files"},
		{"npm, a script's own", "Error: boom\n    at f (/app/x.js:1:7)\n\nNode.js v20.20.2\nnpm ERR! code ELIFECYCLE\nnpm ERR! errno 1\nnpm ERR! x@1.0.0 build: `node x.js`\nnpm ERR! Exit status 1\nnpm ERR!\nnpm ERR! Failed at the x@1.0.0 build script.\nnpm ERR! This is probably not a problem with npm. There is likely additional logging output above.\n\nnpm ERR! A complete log of this run can be found in:\nnpm ERR!     /root/.npm/_logs/x-debug.log\n", "Error: boom"},
		{"npm", "npm error code E404\nnpm error 404 Not Found - GET https://registry.example.com/nosuch - Not found\nnpm error 404\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x-debug.log\n", "npm error 404 Not Found - GET https://registry.example.com/nosuch - Not found"},
		{"npm, no script", "npm error Missing script: \"c\"\nnpm error\nnpm error To see a list of scripts, run:\nnpm error   npm run\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x-debug.log\n", `npm error Missing script: "c"`},
		{"C++", "terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\n", "terminate called after throwing an instance of 'std::runtime_error': boom"},
		{"elixir", "** (RuntimeError) boom\n    x.exs:1: (file)\n", "** (RuntimeError) boom"},
		{"lua", "lua5.4: x.lua:1: boom\nstack traceback:\n\t[C]: in function 'error'\n\tx.lua:1: in main chunk\n\t[C]: in ?\n", "lua5.4: x.lua:1: boom"},
		{"R", "Error in f() : boom\nExecution halted\n", "Error in f() : boom"},
		{"a progress bar", "\r10 %\r20 %\rno space left\n", "no space left"},
		{"only advice", "Node.js v20.20.2\n", "Node.js v20.20.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d diagnosis
			readLines(strings.NewReader(tt.log), func(l Line) {
				if l.HasMsg {
					d.add(l)
				}
			})
			if got := d.text(); got != tt.want {
				t.Errorf("%q\nwant %q", got, tt.want)
			}
		})
	}
}
