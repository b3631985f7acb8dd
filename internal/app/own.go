package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/url"
	"time"

	"github.com/agentos/agentos/internal/cards"
	"github.com/agentos/agentos/internal/config"
	"github.com/agentos/agentos/internal/document"
	"github.com/agentos/agentos/internal/redact"
	"github.com/agentos/agentos/internal/section"
	"github.com/agentos/agentos/snapshot"
)

// ownSections are the sections that the fleet's file declares, and what collects them.
type ownSections struct {
	*cards.Keeper
	collector *section.Collector
}

// openSections makes what collects the sections of the file, where this process leads.
func openSections(cfg *config.Config, log *slog.Logger, lead func() bool, panel func() *snapshot.Panel) *ownSections {
	return &ownSections{
		Keeper: cards.New(cards.Options{
			Lead: lead, Log: log, Changed: func() { panel().Nudge("own") },
			Shown: func() *document.Document {
				current := panel().Current()
				if current == nil {
					return nil
				}
				doc, _ := document.Parse(current.JSON) // one of another version begins nothing
				return doc
			},
		}),
		collector: newCollector(cfg),
	}
}

func newCollector(cfg *config.Config) *section.Collector {
	return section.NewCollector(section.Options{Database: cfg.DatabaseURL(), NoCommands: cfg.NoSectionCommands, Redact: redact.New(cfg.Redact)})
}

// use puts the sections of a file in force.
func (o *ownSections) use(specs []section.Spec) {
	list := make([]cards.Card, len(specs))
	for i, s := range specs {
		whole, _ := json.Marshal(valueOf(s)) // plain data
		list[i] = cards.Card{
			Name: s.Name, Title: s.Title, Place: s.Place, Link: s.Link, Show: document.OwnShow(s.Show), Definition: string(whole), Mark: markOf(s),
			Every: s.Every, Timeout: s.Timeout,
			Collect: func(ctx context.Context) (document.OwnValue, error) {
				value, err := o.collector.Collect(ctx, s)
				return describeValue(value), err
			},
		}
		if s.Role != section.RoleViewer {
			list[i].Role = document.OwnRole(s.Role)
		}
	}
	o.Set(list)
}

// markOf is a short hash of what a section's value depends on. Everybody sees it, so that nothing goes in that may hold a secret, which
// could be found by trying: neither what headers say, nor arguments, nor the user and the query of an address.
func markOf(s section.Spec) string {
	s = valueOf(s)
	if s.Command != nil {
		s.Command = &section.Command{Argv: s.Command.Argv[:min(1, len(s.Command.Argv))], Dir: s.Command.Dir}
	}
	if s.HTTP != nil {
		s.HTTP = &section.HTTP{URL: plainURL(s.HTTP.URL), Headers: namesOf(s.HTTP.Headers)}
	}
	if s.Prometheus != nil {
		p := *s.Prometheus
		p.URL, p.Headers = plainURL(p.URL), namesOf(p.Headers)
		s.Prometheus = &p
	}
	text, _ := json.Marshal(s)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// valueOf is a section without what its value does not depend on.
func valueOf(s section.Spec) section.Spec {
	s.Title, s.Link, s.Place, s.Role, s.Every, s.Timeout = "", "", "", "", 0, 0
	return s
}

func plainURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + u.Path
}

func namesOf(headers map[string]section.Secret) map[string]section.Secret {
	names := map[string]section.Secret{}
	for name := range headers {
		names[name] = section.Secret{}
	}
	return names
}

func describeValue(v section.Value) document.OwnValue {
	of := document.OwnValue{
		Number: v.Number, Unit: v.Unit, Format: document.OwnFormat(v.Format), Level: document.OwnLevel(v.Level), Rows: v.Rows, More: v.More,
		Status: v.Status, Text: v.Text, Cut: v.Cut,
	}
	for _, c := range v.Columns {
		of.Columns = append(of.Columns, document.OwnColumn{Label: c.Label, Format: document.OwnFormat(c.Format)})
	}
	for _, p := range v.Points {
		of.Points = append(of.Points, document.OwnPoint{At: time.UnixMilli(p.At).UTC(), Value: p.Value})
	}
	return of
}
