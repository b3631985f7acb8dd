package attach

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/agentos/agentos/internal/engine"
)

func TestSecretsOfAttachedJobsAreNotShown(t *testing.T) {
	eachSite(t, func(t *testing.T, site *site) {
		now := time.Now()
		completed := done("mail", "completed", now)
		completed.metadata = `{"output":{"password":"hunter2","n":1},"river:log":[{"attempt":1,"log":"level=INFO msg=x password=hunter2\n` +
			`-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nend\n"}]}`
		site.insert(t, completed)
		site.insert(t, done("mail", "discarded", now, "dial postgres://u:hunter2@h: refused"))
		service := site.begun(t, nil)
		var shown []any
		page, err := service.List(t.Context(), engine.Filter{})
		if err != nil || len(page.Jobs) != 2 {
			t.Fatal(page, err)
		}
		for _, j := range page.Jobs {
			d, err := service.Get(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			lines, _, err := service.RunLogs(t.Context(), *d.LogRunID, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, d, lines)
		}
		latest, err := service.LatestLogs(t.Context(), 10)
		if err != nil || len(latest) != 5 {
			t.Errorf("%+v, %v", latest, err)
		}
		failures, err := service.Failures(t.Context(), 10)
		if err != nil || len(failures) != 1 {
			t.Errorf("%+v, %v", failures, err)
		}
		text, err := json.Marshal(append(shown, page, latest, failures))
		if err != nil || strings.Contains(string(text), "hunter2") || strings.Count(string(text), "u:[redacted]@h") < 3 {
			t.Errorf("%v: %s", err, text)
		}
	})
}
