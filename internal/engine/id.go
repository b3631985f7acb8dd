package engine

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
)

// ID names a job, or an attempt at one, within its engine. It is made and understood by the engine alone, at most [MaxID] bytes long.
type ID string

// MaxID is the maximum length of an id, in bytes.
const MaxID = 512

// Cursor is a place in a list or in what is followed. It is made and understood by the engine alone.
type Cursor string

// CursorOf makes a cursor of a place that JSON can hold.
func CursorOf(place any) Cursor {
	text, _ := json.Marshal(place)
	return Cursor(base64.RawURLEncoding.EncodeToString(text))
}

// Place fills in the place that [CursorOf] made the cursor of, or returns [ErrCursor].
func (c Cursor) Place(place any) error {
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || json.Unmarshal(text, place) != nil {
		return ErrCursor
	}
	return nil
}

// NumberID is the id of what an engine numbers.
func NumberID(n int64) ID { return ID(strconv.FormatInt(n, 10)) }

// Scan implements sql.Scanner: it takes texts, and numbers as [NumberID] does.
func (id *ID) Scan(src any) error {
	switch v := src.(type) {
	case int64:
		*id = NumberID(v)
	case string:
		*id = ID(v)
	default:
		return fmt.Errorf("no id: %T", src)
	}
	return nil
}

// Number returns the number of an id that [NumberID] made; false for any other.
func (id ID) Number() (n int64, ok bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n, err == nil && n > 0 && NumberID(n) == id
}
