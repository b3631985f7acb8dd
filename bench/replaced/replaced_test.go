package replaced

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPageMakesTheCallsInTheirOrder(t *testing.T) {
	answer := httptest.NewRecorder()
	Handler(nil).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	want := "['" + strings.Join(Parts, "', '") + "']"
	if !strings.Contains(answer.Body.String(), want) {
		t.Errorf("the page does not hold %s", want)
	}
	if len(queries) != len(Parts) {
		t.Errorf("%d parts with statements, %d with a name", len(queries), len(Parts))
	}
	for _, name := range Parts {
		if len(queries[name]) == 0 || !strings.Contains(answer.Body.String(), `id="`+name+`"`) {
			t.Errorf("%s has no statement or no place on the page", name)
		}
	}
}
