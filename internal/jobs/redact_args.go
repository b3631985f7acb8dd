package jobs

import "encoding/json"

// Redact returns JSON arguments without the values of keys that name secrets, as jobs are shown; null for what is no JSON.
func Redact(args json.RawMessage) json.RawMessage {
	if text, ok := redact(string(args)); ok {
		return json.RawMessage(text)
	}
	return json.RawMessage("null")
}
