// Package strictyaml reads YAML files that people write: every mistake is reported, all of them at once, with its line and with
// what to write instead; what a file may expand to is bounded.
package strictyaml
