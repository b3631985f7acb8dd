package examples

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAgentsReadOnlyInTheFolder(t *testing.T) {
	b := newWorkbench(t)
	outside := filepath.Join(resolved(t), "secret.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.put("sub/a.txt", "x")
	for link, target := range map[string]string{"link": outside, "dir": filepath.Dir(outside)} {
		if err := os.Symlink(target, filepath.Join(b.folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	b.ok("hash", pathArgs(filepath.Join(b.folder, "sub/a.txt")))
	b.ok("hash", pathArgs("sub/../sub/a.txt"))
	b.fails("hash", pathArgs(outside), "outside of the folder")
	b.fails("hash", pathArgs("../"+filepath.Base(filepath.Dir(outside))+"/secret.txt"), "")
	b.fails("hash", pathArgs("link"), "there is no such file")
	b.fails("hash", pathArgs("dir/secret.txt"), "outside of the folder")
	b.fails("index", pathArgs("dir"), "outside of the folder")
	b.fails("duplicates", pathArgs("/"), "outside of the folder")
	b.fails("slow", pathArgs(".."), "outside of the folder")
}

func TestAgentsSayWhatIsWrong(t *testing.T) {
	b := newWorkbench(t)
	b.put("binary", "\x00\x01")
	b.put("huge", strings.Repeat("x", 8<<20+1))
	for _, name := range []string{"hash", "count", "extract", "compress", "summarise", "flaky"} {
		b.fails(name, `{}`, `no file is named: give the arguments {"path": "FILE"}`)
		b.fails(name, `{"path":"gone\n\"x\""}`, "there is no such file any more path=")
		b.fails(name, `{"path":"."}`, "there is no such file")
		b.fails(name, `{"path":"huge"}`, "larger than 8 MiB")
	}
	for _, name := range []string{"extract", "summarise"} {
		b.fails(name, `{"path":"binary"}`, "not a text file")
	}
	b.fails("crawl", `{"batch":"x"}`, "batch must be a whole number from 1 to 50")
	b.fails("crawl", `{"batch":51}`, "batch must be a whole number from 1 to 50")
	b.fails("slow", `{"files":99999999999999999999}`, "files must be a whole number")
	b.env = map[string]string{"AGENTOS_FOLDER": "/no/such/folder"}
	b.fails("crawl", `{}`, "the folder to read is not there")
}

// Every shell and every awk that is installed gives the same results. On other machines those are others.
func TestEveryShellAndAwk(t *testing.T) {
	for _, tool := range [][]string{
		{"sh", "dash"}, {"sh", "bash"}, {"sh", "busybox"}, {"sh", "ksh"}, {"sh", "mksh"}, {"sh", "yash"},
		{"awk", "mawk"}, {"awk", "gawk"}, {"awk", "original-awk"}, {"awk", "busybox"}, {"awk", "bwk"},
	} {
		program, err := exec.LookPath(tool[1])
		if err != nil {
			continue
		}
		t.Run(tool[0]+" is "+tool[1], func(t *testing.T) {
			b := newWorkbench(t)
			bin := resolved(t)
			if err := os.Symlink(program, filepath.Join(bin, tool[0])); err != nil {
				t.Fatal(err)
			}
			b.env = map[string]string{"PATH": bin + ":" + os.Getenv("PATH")}
			b.putNasty()
			random := make([]byte, 5000)
			rand.Read(random)
			b.put("random.txt", string(random))
			for range len(nasty)/50 + 1 {
				for _, request := range b.ok("crawl", `{"batch":50}`).Enqueue {
					b.check(request)
				}
			}
			for _, name := range []string{"line\nbreak.md", `a\u0041日\n.txt`} {
				for _, agent := range []string{"hash", "count", "extract", "compress", "summarise", "flaky"} {
					b.try = b.fleet.Agent(agent).MaxAttempts
					var got struct{ Path string }
					if result := b.ok(agent, pathArgs(name)); json.Unmarshal(result.Stdout, &got) != nil || got.Path != name {
						t.Errorf("%s of %q: %s", agent, name, result.Stdout)
					}
				}
			}
			for _, agent := range []string{"index", "duplicates", "report"} {
				if result := b.ok(agent, "{}"); !json.Valid(result.Stdout) {
					t.Errorf("%s: %s", agent, result.Stdout)
				}
			}
			if result := b.ok("slow", `{"files":40,"pace":1000}`); !json.Valid(result.Stdout) {
				t.Errorf("%s", result.Stdout)
			}
			b.fails("hash", `{"path":"gone"}`, "there is no such file")
			b.noHarm()
		})
	}
}
