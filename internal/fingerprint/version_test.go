package fingerprint

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "update testdata/keys")

// Rules that give a failure another key are another version: else what was one group is two, and nobody sees why.
func TestKeysChangeWithTheVersionAlone(t *testing.T) {
	const file = "testdata/keys"
	var now strings.Builder
	fmt.Fprintf(&now, "version %d\n", Version)
	all := shapes(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&now, "%s %s\n", Of(newFiller(1).fill(all[name]), "").Key, name)
	}
	if *update {
		if err := os.WriteFile(file, []byte(now.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != now.String() {
		t.Errorf("the keys are not those of %s: raise Version, then run go test ./internal/fingerprint -update", file)
	}
}
