package api

import (
	"strconv"
	"strings"
)

// Metrics reads what /metrics answers: values by name with labels as they are written, such as `agentos_link_up{link="redis"}`.
func Metrics(text []byte) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			values[line[:at]] = value
		}
	}
	return values
}
