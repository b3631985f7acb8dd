package db_test

import (
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/agentos/agentos/internal/db"
	"github.com/agentos/agentos/internal/db/dbtest"
)

func TestOpenMakesAFileForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	openMigrated(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is a letter, not a database. ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, want string }{
		{"folder missing", "sqlite://" + dir + "/none/agentos.db", "the folder " + dir + "/none does not exist"},
		{"a folder", "sqlite://" + dir, "it is not a file"},
		{"not a database", "sqlite://" + garbage, "the file is not a database"},
		{"no URL", "agentos.db", "write sqlite:///path/agentos.db"},
		{"a host", "sqlite://agentos.db", "write sqlite:///path/agentos.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := db.Open(t.Context(), c.url, nil)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "u:p@") {
				t.Errorf("error shows the password: %v", err)
			}
		})
	}
}

// A process that may not read the file gets an error that says so. Root may read everything, so it takes another user.
func TestOpenSaysThatTheFileIsUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agentos.db")
	openMigrated(t, path).Close()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		self = "/proc/self/exe" // also when the other user may not enter the binary's folder
	}
	child := osexec.Command(self, "open", path)
	if os.Getuid() == 0 {
		for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		child.Dir = "/"
	}
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "cannot be read and written: permission denied") {
		t.Errorf("it says %q", out)
	}
}

func TestReadersRefuseToWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Read.ExecContext(t.Context(), `delete from run`); err == nil {
			t.Error("a reader wrote")
		}
	})
}

func TestReadersSeeWhatWasWritten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for i := range 20 {
			exec(t, d, `insert into schedule (agent, spec, next_ms) values ($1, 'x', 0)`, fmt.Sprint(i))
			var n int
			if err := d.Read.QueryRowContext(t.Context(), `select count(*) from schedule`).Scan(&n); err != nil || n != i+1 {
				t.Fatalf("%d rows, %v; want %d", n, err, i+1)
			}
		}
	})
}

func TestStatementsCountsBothPools(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		before := d.Statements()
		exec(t, d, `delete from run`)
		var n int
		if err := d.Read.QueryRowContext(t.Context(), `select count(*) from run`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		// A new connection of Postgres's readers says that it only reads.
		if got := d.Statements() - before; got != 2 && (d.Kind == db.SQLite || got != 3) {
			t.Errorf("counted %d statements", got)
		}
	})
}

func TestWrapNamesAFullDisk(t *testing.T) {
	d := openMigrated(t, filepath.Join(t.TempDir(), "agentos.db"))
	exec(t, d, `pragma max_page_count = 1`) // no page more than there are
	var err error
	for range 100 {
		_, err = d.Write.ExecContext(context.Background(), `insert into run_log (run_id, job_id, agent, at_ms, level, msg) values (1, 1, 'a', 1, 'info', $1)`, strings.Repeat("x", 4000))
		if err != nil {
			break
		}
	}
	if err == nil || !strings.HasPrefix(db.Wrap(err).Error(), "the disk is full") || !db.Temporary(err) {
		t.Errorf("wrapped as %v, temporary %v", db.Wrap(err), db.Temporary(err))
	}
}

func BenchmarkOpenFresh(b *testing.B) {
	for b.Loop() {
		openMigrated(b, filepath.Join(b.TempDir(), "agentos.db")).Close()
	}
}

func BenchmarkOpenExisting(b *testing.B) {
	path := filepath.Join(b.TempDir(), "agentos.db")
	openMigrated(b, path).Close()
	for b.Loop() {
		openMigrated(b, path).Close()
	}
}
