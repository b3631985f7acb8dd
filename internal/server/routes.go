package server

import (
	"net/http"

	"github.com/agentos/agentos/internal/auth"
)

// open routes ask for no credential.
const open auth.Role = ""

// route is one line of the table. A path ending in "/" takes all paths below it.
type route struct {
	method   string
	path     string
	role     auth.Role
	endpoint endpoint
}

// endpoint makes the handler of a route.
type endpoint func(s *server, r route) http.Handler

// routes is everything that is served. GET includes HEAD. What this server cannot do is not there.
func (s *server) routes() []route {
	const (
		viewer, operator, admin = auth.RoleViewer, auth.RoleOperator, auth.RoleAdmin
		get, post, put, del     = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	)
	table := []route{
		// The dashboard's data.
		{get, documentPath, viewer, document}, // ServeHTTP takes a shorter way to it than the mux
		{get, "/api/admin/stream", viewer, stream},

		// The JSON API.
		{get, "/api/me", viewer, operation("get-me", "Account", "Who I am", s.getMe)},
		{post, "/api/me/password", viewer, operation("change-password", "Account", "Change my password; my other sessions end", s.changePassword)},
		{get, "/api/jobs", viewer, operation("list-jobs", "Jobs", "List jobs, newest first", s.listJobs)},
		{get, "/api/jobs/{id}", viewer, operation("get-job", "Jobs", "Show a job with every attempt", s.getJob)},
		{get, "/api/jobs/{id}/args", viewer, operation("get-job-args", "Jobs", "Read a job's arguments, up to a megabyte", s.getJobArgs)},
		{get, "/api/jobs/{id}/runs", viewer, operation("list-job-runs", "Jobs", "List a job's attempts", s.listJobRuns)},
		{get, "/api/jobs/{id}/errors", viewer, operation("list-job-errors", "Jobs", "List the errors of a job's attempts", s.listJobErrors)},
		{get, "/api/runs/{id}/result", viewer, operation("get-run-result", "Jobs", "Read the result of one attempt, up to a megabyte", s.getRunResult)},
		{get, "/api/runs/{id}/logs", viewer, operation("list-run-logs", "Jobs", "Read or follow the log of one attempt", s.listRunLogs)},
		{get, "/api/agents", viewer, operation("list-agents", "Fleet", "List agents", s.listAgents)},
		{get, "/api/agents/{name}", viewer, operation("get-agent", "Fleet", "Show an agent", s.getAgent)},
		{get, "/api/queues", viewer, operation("list-queues", "Fleet", "List queues", s.listQueues)},
		{get, "/api/workers", viewer, operation("list-workers", "Fleet", "List worker processes", s.listWorkers)},
		{get, "/api/users", admin, operation("list-users", "Administration", "List users", s.listUsers)},
		{post, "/api/users", admin, operation("create-user", "Administration", "Create a user", s.createUser)},
		{del, "/api/users/{name}", admin, operation("delete-user", "Administration", "Delete a user", s.deleteUser)},
		{put, "/api/users/{name}/password", admin, operation("set-user-password", "Administration", "Set a user's password", s.setUserPassword)},
		{put, "/api/users/{name}/role", admin, operation("set-user-role", "Administration", "Set a user's role", s.setUserRole)},
		{get, "/api/tokens", admin, operation("list-tokens", "Administration", "List API tokens", s.listTokens)},
		{post, "/api/tokens", admin, operation("create-token", "Administration", "Create an API token", s.createToken)},
		{del, "/api/tokens/{id}", admin, operation("revoke-token", "Administration", "Revoke an API token", s.revokeToken)},
		{get, "/api/audit", admin, operation("list-audit", "Administration", "Read the audit log, newest first", s.listAudit)},
		{get, "/openapi.json", viewer, plain((*server).openAPI)},
		{get, "/metrics", viewer, plain((*server).metrics)},

		// Pages. The browser's router shows them; the server sends the same page for all.
		{get, "/{$}", viewer, page},
		{get, "/jobs", viewer, page},
		{get, "/jobs/{id}", viewer, page},
		{get, "/agents", viewer, page},
		{get, "/agents/{name}", viewer, page},
		{get, "/workers", viewer, page},
		{get, "/settings", viewer, page},
		{post, "/logout", viewer, plain((*server).logout)},

		// Open.
		{get, "/login", open, plain((*server).showLogin)},
		{post, "/login", open, plain((*server).login)},
		{get, "/assets/", open, plain((*server).asset)},
		{get, "/favicon.ico", open, plain((*server).asset)},
		{get, "/favicon.svg", open, plain((*server).asset)},
		{get, "/manifest.webmanifest", open, plain((*server).asset)},
		{get, "/robots.txt", open, plain((*server).robots)},
		{get, "/livez", open, plain((*server).livez)},
		{get, "/readyz", open, plain((*server).readyz)},
	}
	if s.Fleet != nil {
		table = append(table, []route{
			{post, "/api/jobs", operator, operation("enqueue-job", "Jobs", "Enqueue a job", s.enqueueJob)},
			{post, "/api/agents/{name}/pause", operator, operation("pause-agent", "Fleet", "Start no more jobs of an agent", s.pauseAgent)},
			{post, "/api/agents/{name}/resume", operator, operation("resume-agent", "Fleet", "Start jobs of an agent again", s.resumeAgent)},
		}...)
	}
	if s.Actions != nil {
		table = append(table, []route{
			{del, "/api/jobs/{id}", operator, operation("delete-job", "Jobs", "Delete a job that is not running", s.deleteJob)},
			{post, "/api/jobs/{id}/retry", operator, operation("retry-job", "Jobs", "Run a job again now", s.retryJob)},
			{post, "/api/jobs/{id}/cancel", operator, operation("cancel-job", "Jobs", "Cancel a job", s.cancelJob)},
			{post, "/api/queues/{name}/pause", operator, operation("pause-queue", "Fleet", "Start no more jobs of a queue", s.pauseQueue)},
			{post, "/api/queues/{name}/resume", operator, operation("resume-queue", "Fleet", "Start jobs of a queue again", s.resumeQueue)},
		}...)
	}
	return table
}

// mount fills the mux from the table. What is not in it goes to notFound, which also answers wrong methods.
func (s *server) mount() {
	s.table = s.routes()
	for _, r := range s.table {
		s.mux.Handle(r.method+" "+r.path, r.endpoint(s, r))
	}
	s.mux.Handle("/", s.wrap(s.notFound))
}
