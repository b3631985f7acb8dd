package server

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/agentos/agentos/internal/auth"
	"github.com/agentos/agentos/internal/engine"
)

// api describes the JSON operations and checks their requests against the description.
type api struct {
	huma.API
	last http.HandlerFunc // what the library registered last
	json func() ([]byte, error)
}

// apiVersion changes when a client must; the document has the same number.
const apiVersion = "4"

// listsAreNeverNull is a switch of the library's: a list that is empty is [], never null.
var listsAreNeverNull = sync.OnceFunc(func() { huma.DefaultArrayNullable = false })

func newAPI() *api {
	listsAreNeverNull()
	a := &api{}
	a.API = humago.New(a, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "AgentOS",
				Version: apiVersion,
				Description: "Jobs, agents, queues and workers of one fleet. Errors are application/problem+json (RFC 9457). " +
					"Each operation states the least role it asks for: viewer, operator or admin.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "A token made by \"agentos token create\""},
					"session": {Type: "apiKey", In: "cookie", Name: auth.CookiePrefix + "FLEET", Description: "A browser's login. FLEET is the beginning of the fleet's id; over HTTPS __Host- stands before the name."},
				},
			},
			Security: []map[string][]string{{"token": {}}, {"session": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{asProblem},
	})
	a.json = sync.OnceValues(func() ([]byte, error) { return json.Marshal(a.describe()) })
	return a
}

// schemaName names the types of the API; generated clients have them too.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[engine.Page]():
		return "JobList"
	case reflect.TypeFor[engine.Detail]():
		return "JobDetail"
	case reflect.TypeFor[engine.RunPage]():
		return "RunList"
	case reflect.TypeFor[engine.ErrorPage]():
		return "JobErrors"
	case reflect.TypeFor[engine.Text]():
		return "LongText"
	case reflect.TypeFor[auth.Entry]():
		return "AuditEntry"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// HandleFunc takes what the library registers, so that the route's own guard can be put before it.
func (a *api) HandleFunc(_ string, handle func(http.ResponseWriter, *http.Request)) { a.last = handle }

// ServeHTTP belongs to the interface of the library's routers and is not used: the server's mux routes.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// operation is a JSON operation. Its errors become problems, and who calls is in its context for the audit log.
func operation[I, O any](id, tag, summary string, run func(context.Context, *I) (*O, error)) endpoint {
	return func(s *server, r route) http.Handler {
		op := huma.Operation{
			OperationID: id,
			Method:      r.method,
			Path:        r.path,
			Summary:     summary,
			Description: "Role: " + string(r.role) + ".",
			Tags:        []string{tag},
			Responses:   map[string]*huma.Response{"default": s.api.problemResponse()},
			Extensions:  map[string]any{"x-role": string(r.role)},

			RejectUnknownQueryParameters: true, // a misspelt filter would otherwise show everything
		}
		if r.method == http.MethodPost && strings.HasPrefix(id, "create-") || id == "enqueue-job" {
			op.DefaultStatus = http.StatusCreated
		}
		huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
			c := callFrom(ctx)
			out, err := run(auth.WithActor(ctx, c.actor()), in)
			if err != nil {
				return nil, s.problemFor(c, err)
			}
			return out, nil
		})
		handle := s.api.last
		names, lists := queryNames(reflect.TypeFor[I]())
		return s.wrap(s.restrict(r.role, func(c *call) {
			ctx, cancel := context.WithTimeout(c.request.Context(), deadlineOf(id))
			defer cancel()
			if p := checkQuery(c.request.URL.RawQuery, names, lists); p != nil {
				s.answer(c, p)
				return
			}
			c.Header()["Cache-Control"] = noStore
			handle(c, c.request.WithContext(ctx))
		}))
	}
}

func (a *api) problemResponse() *huma.Response {
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{
		Description: "Error",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
	}
}

// deadlineOf is how long an operation may take.
func deadlineOf(id string) time.Duration {
	if id == "list-run-logs" {
		return maxLogWait + requestDeadline
	}
	return requestDeadline
}

func (c *call) actor() auth.Actor {
	return auth.Actor{Name: c.principal.Name, Kind: c.principal.Kind, Remote: c.request.RemoteAddr, User: c.principal.User}
}

// describe finishes the description once all operations are registered.
func (a *api) describe() *huma.OpenAPI {
	description := a.OpenAPI()
	delete(description.Components.Schemas.Map(), "ErrorModel") // the library's own errors, which asProblem replaces
	delete(description.Components.Schemas.Map(), "ErrorDetail")
	return description
}
