package server

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat is the library's, but for what it checks of a request: it reads that into values, where a number beyond a
// float's would be an error, although arguments keep the text.
func jsonFormat() huma.Format {
	format := huma.DefaultJSONFormat
	unmarshal := format.Unmarshal
	format.Unmarshal = func(data []byte, into any) error {
		value, checked := into.(*any)
		if !checked {
			return unmarshal(data, into)
		}
		if !json.Valid(data) {
			return unmarshal(data, into) // for its words
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(value); err != nil {
			return err
		}
		*value = withFloats(*value)
		return nil
	}
	return format
}

// withFloats makes floats of numbers in place, infinite ones of those that are too large.
func withFloats(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, _ := v.Float64() // its only error is that of a number beyond floats, which is then infinite
		return f
	case []any:
		for i := range v {
			v[i] = withFloats(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = withFloats(v[key])
		}
	}
	return value
}
