// Package hot holds what GET /api/admin/ssot is measured against: servers of the same document that do as little as can be done,
// and those of the design that AgentOS replaces.
package hot

import (
	"context"
	_ "embed" // nginx.conf and app.py
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"text/template"
	"time"

	"github.com/redis/rueidis"
)

// Path is where the servers here have the document.
const Path = "/document"

// Key is where the replaced design has the document in Redis.
const Key = "admin:dashboard:replaced"

//go:embed nginx.conf
var nginxText string

//go:embed app.py
var pythonText string

// ServeBare answers every request with the bytes of a file, compressed already: what net/http costs by itself.
func ServeBare(ctx context.Context, addr, file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	length := strconv.Itoa(len(body))
	return serve(ctx, addr, func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Encoding", "gzip")
		header.Set("Content-Length", length)
		_, _ = w.Write(body) // a client who has gone needs no answer
	})
}

// ServeRedis reads the document from Redis for every request, decodes it and encodes it: the replaced design in Go.
func ServeRedis(ctx context.Context, addr, redis string) error {
	option, err := rueidis.ParseURL(redis)
	if err != nil {
		return err
	}
	option.DisableCache = true
	client, err := rueidis.NewClient(option)
	if err != nil {
		return err
	}
	defer client.Close()
	return serve(ctx, addr, func(w http.ResponseWriter, r *http.Request) {
		body, err := decoded(r.Context(), client)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // a client who has gone needs no answer
	})
}

func decoded(ctx context.Context, client rueidis.Client) ([]byte, error) {
	text, err := client.Do(ctx, client.B().Get().Key(Key).Build()).AsBytes()
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

func serve(ctx context.Context, addr string, handle http.HandlerFunc) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, handle)
	server := &http.Server{ // with the time limits of AgentOS, which cost something, too
		Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", addr, err)
	}
	return nil
}

// WriteNginx writes a configuration by which nginx serves the files of the folder, and gives its path.
func WriteNginx(folder, addr string) (string, error) {
	path := folder + "/nginx.conf"
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = template.Must(template.New("").Parse(nginxText)).Execute(file, map[string]any{
		"Folder": folder, "Addr": addr, "Root": os.Getuid() == 0,
	})
	return path, errors.Join(err, file.Close())
}

// WritePython writes the application as app.py into the folder.
func WritePython(folder string) error {
	return os.WriteFile(folder+"/app.py", []byte(pythonText), 0o644)
}
