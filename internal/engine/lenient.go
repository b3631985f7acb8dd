package engine

import (
	"database/sql"
	"fmt"
	"math"
	"strconv"
)

// MaxName bounds a name that is shown, counted by and kept in our own tables. River keeps to 128 bytes.
const MaxName = 255

// ScanName scans a name of another program's: a kind, a queue, a state. Whatever stands there becomes text that every database and JSON
// can keep; a column of SQLite holds values of any type, and River's constraints may be gone.
func ScanName(to *string) sql.Scanner { return lenientText{to} }

type lenientText struct{ to *string }

func (s lenientText) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s.to = ""
	case string:
		*s.to = v
	case []byte:
		*s.to = string(v)
	default:
		*s.to = fmt.Sprint(v)
	}
	*s.to = Clip(Clean(*s.to), MaxName)
	return nil
}

// ScanNumber scans a number of another program's; what is none is 0, what is too large the largest.
func ScanNumber(to *int) sql.Scanner { return lenientInt{to} }

type lenientInt struct{ to *int }

func (s lenientInt) Scan(src any) error {
	*s.to = 0
	switch v := src.(type) {
	case int64:
		*s.to = int(v)
	case float64:
		*s.to = int(max(math.MinInt32, min(math.MaxInt32, v)))
	case string:
		*s.to, _ = strconv.Atoi(v)
	case []byte:
		*s.to, _ = strconv.Atoi(string(v))
	}
	return nil
}
