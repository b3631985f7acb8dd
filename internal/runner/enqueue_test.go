package runner

import (
	"strings"
	"testing"
	"time"
)

func TestParseLineRefusesEnqueue(t *testing.T) {
	for _, request := range []string{
		`1`, `null`, `[]`, `{}`, `{"agent":"No"}`, `{"agent":"hash","arg":{}}`, `{"agent":"hash","args":[]}`, `{"agent":"hash","args":"x"}`,
		`{"agent":"hash","priority":5}`, `{"agent":"hash","delay":"soon"}`, `{"agent":"hash","delay":-1}`, `{"agent":"hash","delay":1e300}`,
		`{"agent":"hash","delay":"999999h"}`, `{"agent":"hash","queue":"a b"}`,
	} {
		l := ParseLine([]byte(`{"msg":"m","enqueue":`+request+`}`), time.Time{})[0]
		if l.Enqueue != nil || !strings.HasPrefix(l.Refused, "enqueue refused: ") || l.Level != "error" || !strings.HasPrefix(l.Msg, l.Refused) {
			t.Errorf("%s: %+v", request, l)
		}
	}
}
