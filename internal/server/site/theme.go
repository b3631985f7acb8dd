package site

import (
	"bytes"
	"net/http"
	"slices"
)

// A theme is how a viewer wants pages to look, an index of themes; the first is the system's.
//
// The browser keeps the choice in a cookie, which the page's scripts write, and the server puts it into the page: so it holds from
// the first paint on, and no script has to run before it, nor to wait for the browser's storage.
type theme int

var themes = [...]string{"", "light", "dark"}

// themeCookie holds the name of a theme. It is no secret and lets nobody in.
const themeCookie = "agentos_theme"

// htmlTag is where a page names its theme.
const htmlTag = `<html lang="en">`

func themeOf(r *http.Request) theme {
	for _, c := range r.CookiesNamed(themeCookie) {
		if i := slices.Index(themes[:], c.Value); i > 0 {
			return theme(i)
		}
	}
	return 0
}

// themed is a page in each theme.
func themed(page []byte) (all [len(themes)][]byte) {
	for i, name := range themes {
		all[i] = page
		if name != "" {
			all[i] = bytes.Replace(page, []byte(htmlTag), []byte(`<html lang="en" data-theme="`+name+`">`), 1)
		}
	}
	return all
}
