package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/agentos/agentos"

// mayImport is the architecture: which packages of ours each package may import. A package in a folder below
// follows the rule of the folder, tests included, unless it has a line of its own.
var mayImport = map[string][]string{
	"snapshot": {
		"snapshot/link", "snapshot/internal/bounded", "snapshot/internal/file", "snapshot/internal/headers", "snapshot/internal/jsonpatch",
		"snapshot/internal/layout", "snapshot/internal/lead", "snapshot/internal/sse",
	},
	"snapshot/link":               {"snapshot/internal/bounded"},
	"snapshot/redislink":          {"snapshot/link"},
	"snapshot/pglink":             {"snapshot/link"},
	"snapshot/internal/bounded":   {},
	"snapshot/internal/file":      {"snapshot/link"},
	"snapshot/internal/headers":   {},
	"snapshot/internal/jsonpatch": {},
	"snapshot/internal/layout":    {},
	"snapshot/internal/lead":      {"snapshot/link", "snapshot/internal/bounded"},
	"snapshot/internal/sse":       {},
	"snapshot/snapshottest":       {"snapshot", "snapshot/link"},

	".":                               {"internal/cli"},
	"examples":                        {},
	"ui":                              {},
	"internal/agent":                  {"internal/strictyaml"},
	"internal/strictyaml":             {},
	"internal/alert":                  {"internal/document", "internal/strictyaml"},
	"internal/section":                {"internal/db", "internal/redact", "internal/strictyaml"},
	"internal/agent/agenttest":        {"internal/agent"},
	"internal/runner":                 {"internal/agent", "internal/supervisor"},
	"internal/supervisor":             {},
	"internal/config":                 {},
	"internal/redact":                 {},
	"internal/db":                     {},
	"internal/document":               {},
	"internal/document/generate":      {"internal/document"},
	"internal/db/dbtest":              {"internal/db", "test/servers"},
	"internal/auth":                   {"internal/db"},
	"internal/engine":                 {"internal/db"},
	"internal/engine/enginetest":      {"internal/engine"},
	"internal/engine/redisconn":       {},
	"internal/engine/asynq":           {"internal/engine", "internal/engine/redisconn", "internal/redact"},
	"internal/engine/asynq/asynqtest": {"test/servers"},
	"internal/paced":                  {"internal/engine"},
	"internal/rollup":                 {"internal/db", "internal/engine"},
	"internal/rollup/rolluptest":      {"internal/db"},
	"internal/runlog":                 {"internal/db", "internal/engine", "internal/redact", "internal/rollup", "internal/runner"},
	"internal/fingerprint":            {},
	"internal/needle":                 {},
	"internal/riverlog":               {},
	"internal/engine/river":           {"internal/agent", "internal/db", "internal/engine", "internal/needle", "internal/redact", "internal/rollup", "internal/runlog"},
	"internal/engine/river/ends":      {"internal/db", "internal/engine", "internal/engine/river", "internal/fingerprint", "internal/redact", "internal/rollup"},
	"internal/engine/river/adapter":   {"internal/agent", "internal/db", "internal/engine", "internal/engine/river", "internal/engine/river/ends", "internal/redact"},
	"internal/jobspec":                {"internal/agent", "internal/engine", "internal/engine/river", "internal/redact"},
	"internal/schedule":               {"internal/agent", "internal/db", "internal/engine", "internal/engine/river", "internal/jobspec"},
	"internal/fetch":                  {"internal/agent", "internal/db", "internal/engine/river"},
	"internal/worker":                 {"internal/agent", "internal/db", "internal/engine", "internal/engine/river", "internal/fetch", "internal/fingerprint", "internal/jobspec", "internal/redact", "internal/riverlog", "internal/rollup", "internal/runlog", "internal/runner", "internal/schedule"},
	"internal/attach":                 {"internal/agent", "internal/db", "internal/engine", "internal/engine/river", "internal/engine/river/adapter", "internal/engine/river/ends", "internal/fingerprint", "internal/paced", "internal/redact", "internal/rollup", "internal/runner"},
	"internal/observe":                {"internal/agent", "internal/db", "internal/engine", "internal/fingerprint", "internal/paced", "internal/rollup"},
	"internal/cards":                  {"internal/document"},
	"internal/source":                 {"snapshot", "internal/document", "internal/engine", "internal/agent"},
	"internal/server":                 {"snapshot", "internal/auth", "internal/engine", "internal/worker", "internal/agent", "internal/redact", "internal/server/site"},
	"internal/server/site":            {"snapshot"},
	"internal/app": {
		"snapshot", "snapshot/link", "snapshot/redislink", "snapshot/pglink", "ui", "internal/agent", "internal/alert", "internal/auth", "internal/config",
		"internal/attach", "internal/cards", "internal/db", "internal/document", "internal/engine", "internal/engine/asynq", "internal/observe", "internal/redact", "internal/section", "internal/server", "internal/source", "internal/strictyaml", "internal/worker",
	},
	"internal/cli": {
		"snapshot", "examples", "internal/agent", "internal/app", "internal/auth", "internal/config", "internal/db", "internal/document", "internal/engine",
		"internal/runner", "internal/server", "internal/worker",
	},
	"test/deploy":      {},
	"test/processor":   {},
	"test/servers":     {},
	"test/api":         {},
	"test/cluster":     {"examples", "internal/document", "test/api", "test/servers"},
	"test/cluster/run": {"test/cluster"},
	"bench":            {"bench/hot", "bench/jobtable", "bench/replaced", "internal/document", "test/api", "test/servers"},
	"bench/hot":        {},
	"bench/jobtable":   {"test/servers"},
	"bench/replaced":   {},
	"test/foreign":     {"test/servers"},
	"test/faults":      {"test/api", "test/servers", "test/cluster", "test/foreign"},
	"test/soak":        {"test/api", "test/servers", "test/foreign"},
}

// testsMayImport lists what only test files may import on top; all of them may start real servers.
var testsMayImport = map[string][]string{
	"snapshot": {"snapshot", "snapshot/snapshottest"},
	"examples": {"examples", "internal/agent", "internal/runner"},

	"snapshot/redislink": {"snapshot", "snapshot/snapshottest", "test/servers"},
	"snapshot/pglink":    {"snapshot", "snapshot/snapshottest", "test/servers", "internal/db", "internal/db/dbtest"},
	"internal/db":        {"internal/db/dbtest", "test/servers"},
	"internal/document":  {"snapshot"},
	"internal/agent":     {"test/processor"},
	"internal/redact":    {"test/processor"},
	"internal/runner":    {"internal/fingerprint", "test/processor"},
	"internal/auth":      {"internal/db/dbtest", "test/processor"},
	"internal/rollup":    {"internal/rollup/rolluptest", "internal/db/dbtest"},
	"internal/runlog":    {"internal/db/dbtest"},
	"internal/fetch":     {"internal/agent/agenttest"},
	"internal/schedule":  {"internal/agent/agenttest", "internal/db/dbtest"},
	"internal/worker":    {"internal/agent/agenttest", "internal/rollup/rolluptest", "internal/db/dbtest", "test/processor", "test/servers"},

	"internal/engine/asynq":         {"internal/engine/asynq/asynqtest", "internal/engine/enginetest", "test/servers"},
	"internal/engine/river":         {"internal/agent/agenttest", "internal/db/dbtest"},
	"internal/engine/river/adapter": {"internal/db/dbtest", "internal/engine/enginetest", "internal/rollup"},
	"internal/engine/river/ends":    {"internal/db/dbtest"},

	"internal/attach":  {"internal/db/dbtest", "internal/engine/enginetest", "test/servers"},
	"internal/observe": {"internal/db/dbtest"},
	"internal/cards":   {"snapshot"},
	"internal/section": {"internal/db/dbtest"},
	"internal/source":  {"internal/attach", "internal/db", "internal/worker", "internal/db/dbtest", "snapshot/link", "snapshot/snapshottest", "internal/runner"},
	"internal/server":  {"internal/db", "internal/db/dbtest", "snapshot/snapshottest", "internal/runner", "test/processor"},
	"internal/app":     {"internal/db/dbtest", "internal/engine/asynq/asynqtest"},

	"internal/server/site": {"ui"},

	"test/deploy": {"internal/config"},
}

// publicOnly are the modules that the public package may use, tests aside.
var publicOnly = map[string][]string{
	"snapshot":                    {},
	"snapshot/link":               {},
	"snapshot/internal/bounded":   {},
	"snapshot/internal/file":      {},
	"snapshot/internal/headers":   {},
	"snapshot/internal/jsonpatch": {},
	"snapshot/internal/layout":    {},
	"snapshot/internal/lead":      {},
	"snapshot/internal/sse":       {"github.com/klauspost/compress/"},

	"snapshot/redislink": {"github.com/redis/rueidis", "github.com/sony/gobreaker/v2"},
	"snapshot/pglink":    {"github.com/jackc/pgx/v5", "github.com/sony/gobreaker/v2"},
}

func TestImportsPointDown(t *testing.T) {
	seen := 0
	walkGo(t, func(file string) {
		seen++
		dir := path.Dir(file)
		rule, allowed := ruleOf(dir)
		if rule == "" {
			t.Errorf("%s: package %q has no line in the architecture table", file, dir)
			return
		}
		isTest := strings.HasSuffix(file, "_test.go")
		if isTest {
			allowed = append(append([]string{rule, "test/servers"}, allowed...), testsMayImport[rule]...)
		}
		for _, imported := range importsOf(t, file) {
			ours, inModule := strings.CutPrefix(imported, module+"/")
			switch {
			case inModule && !contains(allowed, ours) && !(ours == dir && isTest):
				t.Errorf("%s imports %s: %s may import only %v", file, ours, rule, allowed)
			case !inModule && !isTest && strings.Contains(strings.Split(imported, "/")[0], "."):
				if only, limited := publicOnly[rule]; limited && !hasPrefixIn(imported, only) {
					t.Errorf("%s imports %s: the public package uses the standard library and %v", file, imported, only)
				}
			}
		}
	})
	if seen < 10 {
		t.Fatalf("only %d files were looked at: the walk is broken", seen)
	}
}

func TestEveryRuleOfTheTableHasItsPackage(t *testing.T) {
	for dir := range mayImport {
		if files, _ := filepath.Glob(filepath.Join(filepath.FromSlash(dir), "*.go")); len(files) == 0 {
			t.Errorf("the architecture table names %q, which holds no Go file", dir)
		}
	}
}

// ruleOf finds the line of the table for a folder: its own or the nearest one above.
func ruleOf(dir string) (rule string, allowed []string) {
	for d := dir; ; d = path.Dir(d) {
		if list, found := mayImport[d]; found && (d != "." || dir == ".") {
			return d, list
		}
		if d == "." || d == "/" {
			return "", nil
		}
	}
}

func walkGo(t *testing.T, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || (strings.HasPrefix(entry.Name(), ".") && p != ".")):
			return fs.SkipDir
		case strings.HasSuffix(p, ".go"):
			visit(filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, spec := range parsed.Imports {
		list = append(list, strings.Trim(spec.Path.Value, `"`))
	}
	return list
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func hasPrefixIn(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
