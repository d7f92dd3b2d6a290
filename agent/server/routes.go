package server

import (
	"net/http"

	"nearside/agent/server/callers"
	"nearside/agent/server/replies"
	"nearside/agent/server/steering"
)

// Paths of asks that have a shape of their own.
const (
	chatPath  = "/v1/chat/completions"
	embedPath = "/v1/embeddings"
)

// unbuilt are routes whose names are settled and whose code is not there yet.
var unbuilt = []string{
	"/v1/responses", "/v1/responses/", "/v1/batches", "/v1/batches/", "/v1/files", "/v1/files/",
	"/v1/messages", "/v1/flows/",
}

func (s *Server) routes() http.Handler {
	all := paths{http.NewServeMux(), map[string]string{}}
	open := func(pattern, need string, h http.HandlerFunc) { all.add(pattern, s.guard(true, need, h)) }
	control := func(pattern, need string, h http.HandlerFunc) { all.add(pattern, s.guard(false, need, s.taking(h))) }

	asks := []posted{
		{chatPath, s.guard(true, "chat", s.counted(s.chat))},
		{embedPath, s.guard(true, "embed", s.counted(s.embeddings))},
	}
	for _, a := range asks {
		all.add("POST "+a.path, a.Handler)
	}
	open("OPTIONS "+chatPath, callers.Public, preflight)
	open("OPTIONS "+embedPath, callers.Public, preflight)
	open("OPTIONS /v1/models", callers.Public, preflight)
	open("GET /v1/models", callers.Known, s.models)
	open("GET /v1/models/{id...}", callers.Known, s.model)
	control("POST /v1/call/{service}", "{service}", s.counted(s.call))
	control("POST /v1/explain", callers.Known, s.explain)
	control("GET /v1/status", callers.Control, s.status)
	s.opts.Control.Mount(control)
	steering.Routes{Of: s.opts.Steered}.Mount(control, s.here)
	control("GET /metrics", callers.Control, s.opts.Metrics.ServeHTTP)
	control("GET /healthz", callers.Public, func(w http.ResponseWriter, _ *http.Request) { replies.Text(w, http.StatusOK, "ok") })
	control("GET /readyz", callers.Public, s.ready)
	for _, pattern := range unbuilt {
		control(pattern, callers.Known, replies.NotBuilt)
	}
	control("/", callers.Known, all.unknown)
	return direct(asks, all.mux)
}

// posted is a path that is posted to.
type posted struct {
	path string
	http.Handler
}

// direct hands what is posted to one of the paths, spelled as it is, to where
// the mux would; all else to the mux.
func direct(posts []posted, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.RawPath == "" {
			for i := range posts {
				if posts[i].path == r.URL.Path {
					posts[i].ServeHTTP(w, r)
					return
				}
			}
		}
		mux.ServeHTTP(w, r)
	})
}
