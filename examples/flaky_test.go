package examples

import (
	"strings"
	"testing"
)

func TestFlakyFailsOnPurposeButNotInTheEnd(t *testing.T) {
	b := newWorkbench(t)
	b.put("a.txt", "one \r\ntwo\t\n\tthree\n")
	failed := map[int64]bool{}
	for b.job < 40 {
		_, err := b.run("flaky", pathArgs("a.txt"))
		failed[b.job] = err != nil
		if err != nil && !strings.Contains(err.Error(), "failed on purpose") {
			t.Fatal(err)
		}
	}
	count := 0
	for job, did := range failed {
		if did {
			count++
		}
		b.job = job - 1
		if job > 5 {
			continue
		}
		if _, err := b.run("flaky", pathArgs("a.txt")); (err != nil) != did {
			t.Errorf("job %d: the same attempt ended in another way", job)
		}
	}
	if count < 6 || count > 26 {
		t.Errorf("%d of 40 failed, of which 16 should", count)
	}
	b.try = b.fleet.Agent("flaky").MaxAttempts
	result := b.ok("flaky", `{"path":"a.txt","share":100}`)
	if got, want := string(result.Stdout), `{"windows_lines":1,"trailing_space_lines":2,"tab_lines":2,"path":"a.txt"}`+"\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.try = 1
	b.fails("flaky", `{"path":"a.txt","share":100}`, "failed on purpose")
	b.ok("flaky", `{"path":"a.txt","share":0}`)
}
