package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/agentos/agentos/internal/auth"
)

const maxLoginBody = 16 << 10

// showLogin is the form; who is logged in already goes on.
func (s *server) showLogin(c *call) {
	if _, err := s.Auth.Authenticate(c.request); err == nil {
		s.seeOther(c, localPath(c.request.FormValue("next")))
		return
	}
	s.writeLogin(c, http.StatusOK, "")
}

// login is where the form goes. It works without scripts: the answer is the form again, with what went wrong, or the
// way to the page that was asked for.
func (s *server) login(c *call) {
	c.request.Body = http.MaxBytesReader(c, c.request.Body, maxLoginBody)
	if err := c.request.ParseForm(); err != nil {
		s.writeLogin(c, http.StatusBadRequest, "The form did not arrive whole. Try again.")
		return
	}
	form := c.request.PostForm
	token, _, err := s.Auth.Login(c.request.Context(), form.Get("name"), form.Get("password"), c.request.RemoteAddr)
	if err != nil {
		s.refuseLogin(c, err)
		return
	}
	http.SetCookie(c, s.Auth.SessionCookie(token, s.TLS))
	s.seeOther(c, localPath(c.request.Form.Get("next")))
}

func (s *server) refuseLogin(c *call, err error) {
	var limited *auth.RateLimitedError
	switch {
	case errors.Is(err, auth.ErrBadCredentials):
		s.writeLogin(c, http.StatusUnauthorized, "Wrong name or password.")
	case errors.As(err, &limited):
		wait := seconds(limited.RetryAfter)
		c.Header().Set("Retry-After", wait)
		s.writeLogin(c, http.StatusTooManyRequests, "Too many attempts. Try again in "+wait+" seconds.")
	default:
		p := s.problemFor(c, err) // which also logs it
		if p.retryAfter > 0 {
			c.Header().Set("Retry-After", seconds(p.retryAfter))
		}
		s.writeLogin(c, p.Status, p.Detail+" Request "+p.RequestID+".")
	}
}

func (s *server) writeLogin(c *call, status int, message string) {
	s.setPageHeaders(c.Header())
	s.site.ServeLogin(c, c.request, status, message)
}

// logout ends the session and shows the login. With the database down the session cannot be ended for good: the answer
// says so, and the cookie stays so that it can be tried again.
func (s *server) logout(c *call) {
	token := s.Auth.SessionToken(c.request)
	if err := s.Auth.Logout(auth.WithActor(c.request.Context(), c.actor()), token); err != nil && !errors.Is(err, auth.ErrNoCredential) {
		s.fail(c, err)
		return
	}
	http.SetCookie(c, s.Auth.SessionCookie("", s.TLS))
	s.seeOther(c, "/login")
}

// seeOther leads to a path of ours.
func (s *server) seeOther(c *call, path string) {
	s.setPageHeaders(c.Header())
	http.Redirect(c, c.request, s.under(path), http.StatusSeeOther)
}

// loginPath leads back to the request's page after the login.
func loginPath(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" && r.URL.RawQuery == "" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(localPath(r.URL.RequestURI()))
}

// localPath returns next when it is a page of this server, else "/". Browsers read "//host" and "/\host" as another
// host, and drop tabs and line ends before they look.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t\x00") || len(next) > 2000 ||
		!isPagePath(u.Path) || u.Path == "/login" || u.Path == "/logout" {
		return "/"
	}
	return next
}
