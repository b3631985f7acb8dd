package config

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Loader gathers a Config from flags, the environment and the fleet's file.
type Loader struct {
	flags map[string]*string // values given by flag, by field name
	bools map[string]*bool
	set   *flag.FlagSet
}

// Register adds the flags of the named settings to set (all of them when none is named).
// Parse the set, then call Load.
func Register(set *flag.FlagSet, only ...string) *Loader {
	l := &Loader{flags: map[string]*string{}, bools: map[string]*bool{}, set: set}
	for field := range fields() {
		name := field.Tag.Get("flag")
		if name == "" || (len(only) > 0 && !oneOf(name, only...)) {
			continue
		}
		usage := fmt.Sprintf("%s (%s)", field.Tag.Get("usage"), field.Tag.Get("env"))
		if field.Type.Kind() == reflect.Bool {
			l.bools[name] = set.Bool(name, false, usage)
		} else {
			l.flags[name] = set.String(name, field.Tag.Get("default"), usage)
		}
	}
	return l
}

// Load gives the settings, validated. The error is ValidationErrors. Defaults given here stand in for those of the tags, by
// flag name. A missing file is no error here: whoever needs its agents says so.
func (l *Loader) Load(getenv func(string) string, defaults map[string]string) (*Config, error) {
	return l.load("", remember(getenv), defaults)
}

// remember gives the environment as it is now, later too: secrets may be taken out of it.
func remember(getenv func(string) string) func(string) string {
	values := map[string]string{}
	for field := range fields() {
		for _, name := range append(fileVariables(field), field.Tag.Get("env")) {
			values[name] = getenv(name)
		}
	}
	return func(name string) string { return values[name] }
}

// Reload reads the settings again, by the same flags and environment, with the file at a path. The error is ValidationErrors.
func (c *Config) Reload(path string) (*Config, error) {
	if c.again == nil { // not made by Load
		return c, nil
	}
	return c.again(path)
}

// Changed names the settings of the file that differ from those of another one, as "server.listen".
func (c *Config) Changed(other *Config) []string {
	var names []string
	own, others := reflect.ValueOf(c).Elem(), reflect.ValueOf(other).Elem()
	for field := range fields() {
		key := field.Tag.Get("yaml")
		if key != "" && !reflect.DeepEqual(own.FieldByIndex(field.Index).Interface(), others.FieldByIndex(field.Index).Interface()) {
			names = append(names, "server."+key)
		}
	}
	return names
}

// load is Load, with the file at a path unless that is empty.
func (l *Loader) load(path string, getenv func(string) string, defaults map[string]string) (*Config, error) {
	given := map[string]bool{}
	l.set.Visit(func(f *flag.Flag) { given[f.Name] = true })

	var errs ValidationErrors
	c := &Config{again: func(path string) (*Config, error) { return l.load(path, getenv, defaults) }}
	apply := func(field reflect.StructField, text, from string) {
		if err := assign(c, field, text); err != nil {
			errs = append(errs, fmt.Sprintf("%s: %v", from, err))
		}
	}
	// The file's path is needed before the file: a first pass without YAML finds it.
	fromFile := map[string]located{}
	for pass := range 2 {
		for field := range fields() {
			if pass == 0 && field.Name != "File" {
				continue
			}
			name, env, key := field.Tag.Get("flag"), field.Tag.Get("env"), field.Tag.Get("yaml")
			inFile, isInFile := fromFile[key]
			def, isDef := defaults[name]
			switch {
			case given[name] && l.bools[name] != nil:
				apply(field, strconv.FormatBool(*l.bools[name]), "--"+name)
			case given[name]:
				apply(field, *l.flags[name], "--"+name)
			case env != "" && getenv(env) != "":
				apply(field, getenv(env), env)
				if name := fileVariable(field, getenv); name != "" {
					errs = append(errs, fmt.Sprintf("%s and %s are both given: keep one", env, name))
				}
			case fileVariable(field, getenv) != "":
				name := fileVariable(field, getenv)
				text, err := readSecret(getenv(name))
				if err != nil {
					errs = append(errs, fmt.Sprintf("%s: %v", name, err))
				}
				apply(field, text, name)
			case key != "" && isInFile:
				apply(field, inFile.text, inFile.at)
			case isDef:
				apply(field, def, "--"+name)
			default:
				apply(field, field.Tag.Get("default"), name)
			}
		}
		if pass == 0 {
			c.File = cmp.Or(path, c.File)
			var fileErrs ValidationErrors
			fromFile, fileErrs = readFile(c.File)
			errs = append(errs, fileErrs...)
		}
	}
	if err := c.Validate(); err != nil {
		var more ValidationErrors
		errors.As(err, &more)
		errs = append(errs, more...)
	}
	if errs != nil {
		return nil, errs
	}
	return c, nil
}

// fileVariables are those that can name the file of a secret: that of the setting with _FILE after it. For AGENTOS_DATABASE_URL they
// are AGENTOS_DATABASE_URL_FILE, and shorter AGENTOS_DATABASE_FILE.
func fileVariables(field reflect.StructField) []string {
	if field.Tag.Get("secret") == "" {
		return nil
	}
	env := field.Tag.Get("env")
	return []string{env + "_FILE", strings.TrimSuffix(env, "_URL") + "_FILE"}
}

// fileVariable is the one of them that is set; empty: none.
func fileVariable(field reflect.StructField, getenv func(string) string) string {
	for _, name := range fileVariables(field) {
		if getenv(name) != "" {
			return name
		}
	}
	return ""
}

// Secrets are the variables that hold passwords.
func Secrets() []string {
	var names []string
	for field := range fields() {
		if field.Tag.Get("secret") != "" {
			names = append(names, field.Tag.Get("env"))
		}
	}
	return names
}

const maxSecret = 64 << 10

// readSecret reads a secret that stands alone in a file, without the line's end.
func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("the file cannot be read: %w", err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s has more than %d bytes: it is no secret of one line", path, maxSecret)
	case secret == "":
		return "", fmt.Errorf("%s is empty", path)
	case strings.ContainsAny(secret, "\r\n\x00"):
		return "", fmt.Errorf("%s has several lines: write the secret alone", path)
	}
	return secret, nil
}

// located is a value of the file with the place it stands at, as "file:line: key".
type located struct{ text, at string }

// readFile gives the scalar settings under `server:`. A file that is not there or not YAML gives nothing: the fleet's
// loader reports these, with more to say.
func readFile(path string) (map[string]located, ValidationErrors) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, ValidationErrors{fmt.Sprintf("%s: cannot be read: %v", path, err)}
	}
	var doc yaml.Node
	_ = yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc) // leaves doc empty when the file is not YAML
	server := child(&doc, "server")
	if server == nil || server.Tag == "!!null" {
		return nil, nil
	}
	if server.Kind != yaml.MappingNode {
		return nil, ValidationErrors{fmt.Sprintf("%s:%d: server: write settings under it, such as `listen: 127.0.0.1:8321`", path, server.Line)}
	}
	return settings(path, server)
}

func settings(path string, server *yaml.Node) (map[string]located, ValidationErrors) {
	known, lists := map[string]bool{}, map[string]bool{}
	var names []string
	for field := range fields() {
		if key := field.Tag.Get("yaml"); key != "" {
			known[key] = true
			lists[key] = field.Type.Kind() == reflect.Slice
			names = append(names, key)
		}
	}
	var errs ValidationErrors
	values := map[string]located{}
	for i := 0; i+1 < len(server.Content); i += 2 {
		key, value := server.Content[i], server.Content[i+1]
		at := fmt.Sprintf("%s:%d: server.%s", path, key.Line, key.Value)
		switch _, twice := values[key.Value]; {
		case strings.HasPrefix(key.Value, "x-"): // the file's own
		case !known[key.Value]:
			errs = append(errs, fmt.Sprintf("%s: unknown setting: the settings are %s", at, strings.Join(names, ", ")))
		case twice:
			errs = append(errs, fmt.Sprintf("%s: given twice: keep one", at))
		case lists[key.Value] && value.Kind == yaml.SequenceNode:
			values[key.Value] = located{strings.Join(scalars(value), ","), at}
		case value.Kind != yaml.ScalarNode:
			errs = append(errs, fmt.Sprintf("%s: write a single value", at))
		default:
			values[key.Value] = located{value.Value, at}
		}
	}
	return values, errs
}

// scalars are the plain values of a list.
func scalars(list *yaml.Node) []string {
	var all []string
	for _, item := range list.Content {
		all = append(all, item.Value)
	}
	return all
}

// child is the value of a key of a mapping, or of a document that is one.
func child(node *yaml.Node, key string) *yaml.Node {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// fields yields the settings in the order of the manual.
func fields() func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		t := reflect.TypeFor[Config]()
		for i := range t.NumField() {
			if t.Field(i).IsExported() && !yield(t.Field(i)) {
				return
			}
		}
	}
}

func assign(c *Config, field reflect.StructField, text string) error {
	target := reflect.ValueOf(c).Elem().FieldByIndex(field.Index).Addr().Interface()
	switch p := target.(type) {
	case *string:
		*p = text
	case *[]string:
		*p = nil
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*p = append(*p, item)
			}
		}
	case *bool:
		if text == "" {
			return nil
		}
		v, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not a yes or no: write true or false", text)
		}
		*p = v
	case *Size:
		v, err := parseSize(text)
		if err != nil {
			return err
		}
		*p = v
	case *int:
		v, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number: write one such as 8", text)
		}
		*p = v
	case *time.Duration:
		v, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration: write a number with its unit, such as 5s", text)
		}
		*p = v
	}
	return nil
}
