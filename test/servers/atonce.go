package servers

import (
	"flag"
	"strconv"
)

// AtOnce lets so many parallel tests of a binary run at the same time, unless its command line says how many: tests that wait for their servers
// more than they compute. Call it first in TestMain.
func AtOnce(tests int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(tests)) // which takes any number
	}
}
