package server

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

var inlinePattern = regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)

// policyOf is the Content-Security-Policy of the pages: everything from this server alone, and of what stands in the pages
// themselves only what was built into them, by its hash.
func policyOf(pages ...[]byte) []string {
	sources := map[string][]string{"script": {"'self'"}, "style": {"'self'"}}
	for _, page := range pages {
		for _, m := range inlinePattern.FindAllSubmatch(page, -1) {
			sum := sha256.Sum256(m[2])
			hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if kind := string(m[1]); !slices.Contains(sources[kind], hash) {
				sources[kind] = append(sources[kind], hash)
			}
		}
	}
	return []string{"default-src 'none'; script-src " + strings.Join(sources["script"], " ") + "; style-src " + strings.Join(sources["style"], " ") +
		"; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"}
}
