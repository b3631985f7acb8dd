// Package config holds the settings of a process: defaults, then the `server` part of agentos.yaml, then the
// environment, then flags, each stronger than the one before; checked together, so that all errors are reported at once.
package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is the manual of the settings. The tags name the key under `server:` in agentos.yaml, the environment
// variable and the flag of each; the comment above says what it does, `default` what holds without it. A `secret` can be in a file
// too, which the variable with _FILE after its name names.
type Config struct {
	// Path of the fleet's file. Only a flag and a variable: the file cannot name itself.
	File string `env:"AGENTOS_CONFIG" flag:"config" default:"agentos.yaml" usage:"the fleet's file"`

	// Address and port of the dashboard and its API. Beyond loopback it needs TLS or Insecure.
	Listen string `yaml:"listen" env:"AGENTOS_LISTEN" flag:"listen" default:"127.0.0.1:8321" usage:"address to listen on"`

	// Path of a proxy below which browsers find the dashboard, such as /ops/agentos; the proxy may take it off or leave it on.
	// Empty: the root.
	BasePath string `yaml:"base_path" env:"AGENTOS_BASE_PATH" flag:"base-path" usage:"path under which a proxy serves the dashboard, such as /ops/agentos"`

	// Folder of everything that AgentOS writes: the database, the last good snapshot, the agents' work folders.
	Data string `yaml:"data" env:"AGENTOS_DATA" flag:"data" default:"agentos-data" usage:"folder for all data"`

	// URL of the database: sqlite:///absolute/path.db, or postgres://user:password@host:port/name for several machines.
	// Empty: agentos.db in the data folder.
	Database string `yaml:"database" env:"AGENTOS_DATABASE_URL" flag:"database" secret:"true" usage:"database URL (default: SQLite in the data folder)"`

	// URL of Redis or Valkey, through which several servers share one document: redis://, rediss:// (TLS),
	// redis-sentinel://host:port,host:port/0?master=NAME or redis-cluster://host:port,host:port.
	// Empty: none; servers on one Postgres share it there.
	Redis string `yaml:"redis" env:"AGENTOS_REDIS_URL" flag:"redis" secret:"true" usage:"Redis URL (default: none)"`

	// What the names of all keys and channels in Redis begin with, before admin:dashboard:v4. Fleets that share a Redis need one each.
	RedisPrefix string `yaml:"redis_prefix" env:"AGENTOS_REDIS_PREFIX" flag:"redis-prefix" usage:"prefix of all keys in Redis, such as staging: (default: none)"`

	// URL of another program's jobs, to show them instead of a fleet of our own. A River database: postgres://user:password@host/name, or
	// the path of a SQLite file. The tasks of asynq: redis://user:password@host:6379/0, rediss:// (TLS) or redis+unix:///path/to/socket?db=0.
	// They are only read; a user that may only read will do. What they do not keep is kept in Data.
	Attach string `yaml:"attach" env:"AGENTOS_ATTACH_URL" flag:"attach" secret:"true" usage:"show another program's jobs: River's at postgres://... or in a SQLite file, asynq's at redis://..."`

	// Postgres schema of its tables. Empty: the one its user's connections find.
	AttachSchema string `yaml:"attach_schema" env:"AGENTOS_ATTACH_SCHEMA" flag:"attach-schema" usage:"Postgres schema of the attached tables (default: the user's)"`

	// URL of a replica of it, which is read in its place. It may be behind.
	AttachReplica string `yaml:"attach_replica" env:"AGENTOS_ATTACH_REPLICA_URL" flag:"attach-replica" secret:"true" usage:"replica of the attached database, for reading"`

	// Lets operators retry, cancel and delete its jobs, and pause its queues, through River's own client.
	AttachActions bool `yaml:"attach_actions" env:"AGENTOS_ATTACH_ACTIONS" flag:"attach-actions" usage:"let operators act on the attached jobs and queues"`

	// Which agents this process runs: all, none, or names with commas between them.
	Agents string `yaml:"agents" env:"AGENTOS_AGENTS" flag:"agents" default:"all" usage:"agents this process runs: all, none or a,b,c"`

	// How many attempts of all agents together this process runs at once, as far as the machine can bear. 0: as many as the
	// agents' concurrency adds up to.
	MaxProcesses int `yaml:"max_processes" env:"AGENTOS_MAX_PROCESSES" flag:"max-processes" default:"0" usage:"attempts of all agents together that run at once (default: the sum of their concurrency)"`

	// Certificate and key in PEM form; both or none. They are read again when the files change.
	TLSCert string `yaml:"tls_cert" env:"AGENTOS_TLS_CERT" flag:"tls-cert" usage:"TLS certificate file (PEM)"`
	TLSKey  string `yaml:"tls_key" env:"AGENTOS_TLS_KEY" flag:"tls-key" usage:"TLS key file (PEM)"`

	// Allows plain HTTP beyond loopback: for a trusted network or behind a proxy that ends TLS.
	Insecure bool `yaml:"insecure" env:"AGENTOS_INSECURE" flag:"insecure" usage:"allow plain HTTP beyond loopback"`

	// Password of the first admin. Only a variable, or a file that one names, so that it stands in no file and no process list.
	// Empty: one is generated at the first start and printed once.
	AdminPassword string `env:"AGENTOS_ADMIN_PASSWORD" secret:"true"`

	// How often every section is collected.
	Interval time.Duration `yaml:"interval" env:"AGENTOS_INTERVAL" flag:"interval" default:"5s" usage:"how often the dashboard's data is collected"`

	// How long attempts that are under way may go on after the process was asked to stop; then they are
	// ended and go back to the queue.
	Drain time.Duration `yaml:"drain" env:"AGENTOS_DRAIN" flag:"drain" default:"8s" usage:"time for running attempts to end at shutdown"`

	// How many event streams and followed logs one session or token may have open at a time on each server. A browser needs one
	// for all its tabs; a token that many screens share needs one each.
	MaxStreams int `yaml:"max_streams" env:"AGENTOS_MAX_STREAMS" flag:"max-streams" default:"100" usage:"event streams that one session or token may have open"`

	// debug, info, warn or error; and text or json.
	LogLevel  string `yaml:"log_level" env:"AGENTOS_LOG_LEVEL" flag:"log-level" default:"info" usage:"debug, info, warn or error"`
	LogFormat string `yaml:"log_format" env:"AGENTOS_LOG_FORMAT" flag:"log-format" default:"text" usage:"text or json"`

	// How much of log lines, and of runs with their results, is kept in the database at most. The oldest go first, whatever
	// their age.
	KeepLogs Size `yaml:"keep_logs" env:"AGENTOS_KEEP_LOGS" flag:"keep-logs" default:"512MB" usage:"size of the log lines to keep, such as 512MB or 4GB"`
	KeepRuns Size `yaml:"keep_runs" env:"AGENTOS_KEEP_RUNS" flag:"keep-runs" default:"2GB" usage:"size of the runs, with their results, to keep"`

	// Names whose values are never shown, in arguments, results, errors and logs, on top of password, token and their like:
	// iban hides customerIban and CUSTOMER_IBAN too.
	Redact []string `yaml:"redact" env:"AGENTOS_REDACT" flag:"redact" usage:"additional names of values to redact, a,b,c"`

	// Refuses sections of agentos.yaml that run commands.
	NoSectionCommands bool `yaml:"no_section_commands" env:"AGENTOS_NO_SECTION_COMMANDS" flag:"no-section-commands" usage:"refuse sections that run commands"`

	again func(path string) (*Config, error) // see Reload
}

// ValidationErrors are all the things wrong with a configuration, one a line.
type ValidationErrors []string

func (errs ValidationErrors) Error() string { return strings.Join(errs, "\n") }

// DatabaseURL is the database to open: the one given, or SQLite in the data folder. Validate has made Data absolute.
func (c *Config) DatabaseURL() string {
	if c.Database != "" {
		return c.Database
	}
	return (&url.URL{Scheme: "sqlite", Path: filepath.Join(c.Data, "agentos.db")}).String()
}

// TLS reports whether the server speaks TLS itself.
func (c *Config) TLS() bool { return c.TLSCert != "" }

// Validate checks the settings together and makes Data absolute. Its error is ValidationErrors.
func (c *Config) Validate() error {
	var errs ValidationErrors
	invalid := func(format string, args ...any) { errs = append(errs, fmt.Sprintf(format, args...)) }

	if (c.TLSCert == "") != (c.TLSKey == "") {
		invalid("tls_cert and tls_key go together: give both or none")
	}
	loopback, err := isLoopback(c.Listen)
	switch {
	case err != nil:
		invalid("listen: %q is not an address: write HOST:PORT, such as 127.0.0.1:8321", c.Listen)
	case !loopback && !c.TLS() && !c.Insecure:
		invalid("listen: %s can be reached from other machines, and passwords would travel in clear: "+
			"give --tls-cert and --tls-key, or --insecure behind a proxy that ends TLS", c.Listen)
	}
	if c.Database != "" && !hasScheme(c.Database, "sqlite", "postgres", "postgresql") {
		invalid("database: %q is not supported: write sqlite:///absolute/path/agentos.db or postgres://user:password@host:5432/name", redact(c.Database))
	}
	if c.Redis != "" && !hasScheme(c.Redis, "redis", "rediss", "valkey", "valkeys", "redis-sentinel", "redis-cluster", "redis+unix") {
		invalid("redis: %q is not supported: write redis://host:6379, rediss:// for TLS, "+
			"redis-sentinel://host:26379,host:26379/0?master=NAME or redis-cluster://host:6379,host:6379", redact(c.Redis))
	}
	c.BasePath = strings.TrimRight(c.BasePath, "/")
	if c.BasePath != "" && (!basePath.MatchString(c.BasePath) || path.Clean(c.BasePath) != c.BasePath) {
		invalid("base_path: %q is not a path: write one such as /ops/agentos, of letters, digits and -._~", c.BasePath)
	}
	if len(c.RedisPrefix) > 64 || strings.ContainsFunc(c.RedisPrefix, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`{}*?[]\\,"'`, r) }) {
		invalid("redis_prefix: %q cannot begin a key: write up to 64 letters, digits and : . - _ /, such as staging:", c.RedisPrefix)
	}
	c.checkAttach(invalid)
	if _, err := c.AgentNames(); err != nil {
		invalid("agents: %v", err)
	}
	if c.MaxProcesses < 0 || c.MaxProcesses > 100_000 {
		invalid("max_processes: %d is out of range: write a number up to 100000, or 0 for no bound", c.MaxProcesses)
	}
	if c.Interval < 500*time.Millisecond || c.Interval > time.Minute {
		invalid("interval: %v is out of range: write a duration between 500ms and 1m, such as 5s", c.Interval)
	}
	if c.Drain < 0 || c.Drain > time.Hour {
		invalid("drain: %v is out of range: write a duration between 0s and 1h, such as 8s", c.Drain)
	}
	if c.MaxStreams < 1 || c.MaxStreams > 1_000_000 {
		invalid("max_streams: %d is out of range: write a number between 1 and 1000000, such as 100", c.MaxStreams)
	}
	if !oneOf(c.LogLevel, "debug", "info", "warn", "error") {
		invalid("log_level: %q is unknown: write debug, info, warn or error", c.LogLevel)
	}
	for name, size := range map[string]Size{"keep_logs": c.KeepLogs, "keep_runs": c.KeepRuns} {
		if size < minKept {
			invalid("%s: %d bytes are too few: write at least 10MB", name, size)
		}
	}
	if !oneOf(c.LogFormat, "text", "json") {
		invalid("log_format: %q is unknown: write text or json", c.LogFormat)
	}
	if c.Data == "" {
		invalid("data: no folder is named: write one, such as agentos-data")
	} else if abs, err := filepath.Abs(c.Data); err != nil {
		invalid("data: %v", err)
	} else {
		c.Data = abs
	}
	if errs != nil {
		return errs
	}
	return nil
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// Size is a number of bytes. It is written as 512MB or 4GB, of 1024 each step; KiB, MiB, GiB and TiB mean the same.
type Size int64

const minKept = 10 << 20

func parseSize(text string) (Size, error) {
	number := strings.TrimRight(text, "KMGTBikmgtb ")
	value, err := strconv.ParseFloat(number, 64)
	unit := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(text[len(number):]), "i", ""))
	step := strings.Index("BKMGT", strings.TrimSuffix(unit, "B"))
	if unit == "" || unit == "B" {
		step = 0
	}
	if bytes := math.Ldexp(value, 10*max(step, 0)); err == nil && step >= 0 && len(unit) <= 2 && bytes >= 0 && bytes < 1<<50 {
		return Size(bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size: write a number with its unit, such as 512MB or 4GB", text)
}

// isLoopback reports whether only this machine can reach the address. "localhost" counts: it is resolved by us alone.
func isLoopback(listen string) (bool, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" {
		return false, errors.New("no port")
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	if ip == nil && host != "" {
		return false, nil
	}
	return ip.IsLoopback(), nil
}

// Postgres reports whether the database is shared with other machines.
func (c *Config) Postgres() bool { return hasScheme(c.Database, "postgres", "postgresql") }

// AgentNames are the agents this process runs: nil for all, empty for none.
func (c *Config) AgentNames() ([]string, error) {
	switch c.Agents {
	case "all":
		return nil, nil
	case "none":
		return []string{}, nil
	}
	names := strings.Split(c.Agents, ",")
	for i, name := range names {
		if names[i] = strings.TrimSpace(name); names[i] == "" {
			return nil, fmt.Errorf("%q has an empty name: write all, none, or names with commas between them", c.Agents)
		}
	}
	return names, nil
}

func hasScheme(raw string, schemes ...string) bool {
	scheme, _, found := strings.Cut(raw, ":")
	return found && oneOf(scheme, schemes...)
}

func oneOf(s string, allowed ...string) bool {
	for _, a := range allowed {
		if s == a {
			return true
		}
	}
	return false
}

// redact hides what may be a password in a value that goes into a message: all of it unless it is a plain URL.
func redact(raw string) string {
	u, err := url.Parse(raw)
	hidden := u == nil || u.User == nil && strings.Contains(raw, "@") // the password has characters that end it too soon
	if err != nil || hidden || u.Scheme == "" || u.Host == "" || u.Fragment != "" || strings.ContainsAny(raw, " \t\r\n'\"") {
		return "what was given"
	}
	if u.RawQuery != "" { // libpq and rueidis take passwords there
		u.RawQuery = "..."
	}
	if _, has := u.User.Password(); u.User != nil && !has {
		u.User = url.User("...") // where a password alone is meant, it stands here
	}
	return u.Redacted()
}

// PasswordsIn finds where the passwords in an argument or a value of ours stand.
func PasswordsIn(text string) (spans [][2]int) {
	for _, pattern := range passwords {
		for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
			spans = append(spans, [2]int{m[2], m[3]})
		}
	}
	return spans
}

var passwords = []*regexp.Regexp{
	regexp.MustCompile(`://[^:/?#@]*:(.*)@`), // to the last @: some do not escape theirs
	regexp.MustCompile(`(?i)passw(?:or)?d\s*=\s*('[^']*'|[^&\s]*)`),
}

// isKeywordValue reports whether it is libpq's other form, "host=… password=…", which we do not support.
func isKeywordValue(raw string) bool {
	return !strings.Contains(raw, "://") && keywordValue.MatchString(raw)
}

var keywordValue = regexp.MustCompile(`(?i)(?:^|\s)(?:host|hostaddr|port|user|password|dbname|sslmode|service)\s*=`)

// AttachRedis reports whether the attached jobs are in Redis, not in a River database.
func (c *Config) AttachRedis() bool {
	return hasScheme(c.Attach, "redis", "rediss", "valkey", "valkeys", "redis+unix")
}

// checkAttach reports what is wrong with the attached jobs' settings.
func (c *Config) checkAttach(invalid func(format string, args ...any)) {
	postgres := hasScheme(c.Attach, "postgres", "postgresql")
	switch {
	case c.AttachRedis() && (c.AttachSchema != "" || c.AttachReplica != "" || c.AttachActions):
		invalid("attach: attach_schema, attach_replica and attach_actions are for a River database: what is in Redis has no schema and is only read")
	case c.AttachRedis():
		if u, err := url.Parse(c.Attach); err != nil || u.Host == "" && u.Path == "" {
			invalid("attach: %q is not an address: write redis://user:password@host:6379/0, with %%XX for characters of the password that an address cannot have", redact(c.Attach))
		}
	case c.Attach == "" && (c.AttachSchema != "" || c.AttachReplica != "" || c.AttachActions):
		invalid("attach: attach_schema, attach_replica and attach_actions are for an attached database: name it with --attach")
	case hasScheme(c.Attach, "redis-sentinel", "redis-cluster"):
		invalid("attach: asynq is read from one Redis: write redis://user:password@host:6379/0")
	case c.Attach == "":
	case isKeywordValue(c.Attach):
		invalid("attach: keywords and values are not supported: write them as postgres://user:password@host:5432/name")
	case strings.Contains(c.Attach, "://") && !postgres && !hasScheme(c.Attach, "sqlite"):
		invalid("attach: %q is not supported: write postgres://user:password@host:5432/name, the path of a SQLite file, or redis://user:password@host:6379/0", redact(c.Attach))
	case !postgres && (c.AttachSchema != "" || c.AttachReplica != ""):
		invalid("attach: attach_schema and attach_replica are for Postgres")
	case c.AttachReplica != "" && !hasScheme(c.AttachReplica, "postgres", "postgresql"):
		invalid("attach_replica: %q is not supported: write postgres://user:password@host:5432/name", redact(c.AttachReplica))
	}
}
