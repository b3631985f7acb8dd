package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/agentos/agentos/internal/agent"
)

// queryNames are the query parameters of an operation's input; lists take several values, separated by commas.
func queryNames(input reflect.Type) (names []string, lists map[string]bool) {
	lists = map[string]bool{}
	for i := range input.NumField() {
		field := input.Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			more, moreLists := queryNames(field.Type)
			names = append(names, more...)
			maps.Copy(lists, moreLists)
			continue
		}
		if name, _, _ := strings.Cut(field.Tag.Get("query"), ","); name != "" {
			names = append(names, name)
			lists[name] = field.Type.Kind() == reflect.Slice
		}
	}
	return names, lists
}

// checkQuery refuses what the operation would pass over in silence, and so answer something else than was asked for: parameters that it
// does not have, those given twice, and what cannot be read. Nil: nothing is wrong.
func checkQuery(raw string, names []string, lists map[string]bool) *Problem {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	var faults []*Fault
	if err != nil {
		faults = append(faults, &Fault{Location: "query", Message: "it cannot be read: " + err.Error()})
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		message := ""
		switch near := agent.Nearest(name, names); {
		case !slices.Contains(names, name) && near != "":
			message = "unknown query parameter: did you mean " + near + "?"
		case !slices.Contains(names, name):
			message = "unknown query parameter"
			if len(names) > 0 {
				message += "; there are: " + strings.Join(names, ", ")
			}
		case len(values[name]) > 1 && lists[name]:
			message = fmt.Sprintf("given %d times: give it once, its values separated by commas", len(values[name]))
		case len(values[name]) > 1:
			message = fmt.Sprintf("given %d times: give it once", len(values[name]))
		}
		if message != "" {
			faults = append(faults, &Fault{Location: "query." + name, Message: message})
		}
	}
	return queryProblem(faults...)
}

func queryProblem(faults ...*Fault) *Problem {
	if faults == nil {
		return nil
	}
	p := problem(http.StatusUnprocessableEntity, "The query is not as the API describes it. Correct what \"errors\" lists; /openapi.json has the form.")
	p.Errors = faults
	return p
}
