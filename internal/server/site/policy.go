package site

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
)

var stylePattern = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

// policyOf is the Content-Security-Policy of the pages: everything from this server alone, no script that stands in a page, and of
// styles there only those that were built into it, by their hash.
func policyOf(pages ...[]byte) []string {
	styles := []string{"'self'"}
	for _, page := range pages {
		for _, m := range stylePattern.FindAllSubmatch(page, -1) {
			sum := sha256.Sum256(m[1])
			hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			if !slices.Contains(styles, hash) {
				styles = append(styles, hash)
			}
		}
	}
	return []string{"default-src 'none'; script-src 'self'; style-src " + strings.Join(styles, " ") +
		"; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"}
}
