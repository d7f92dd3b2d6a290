package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// paths are what the API has, and the methods each takes, to answer 405 rightly.
type paths struct {
	mux     *http.ServeMux
	methods map[string]string // by path, as far as that is written out
}

// add has a pattern answered. One without a method answers for all of them.
func (p *paths) add(pattern string, h http.Handler) {
	p.mux.Handle(pattern, h)
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || method == http.MethodOptions {
		return
	}
	path, _, _ = strings.Cut(path, "{")
	if before := p.methods[path]; before != "" {
		method = before + ", " + method
	}
	p.methods[path] = method
}

// methodsOf is the methods that a path takes, "" for one that is not served.
func (p *paths) methodsOf(path string) string {
	for known, methods := range p.methods {
		if path == known || strings.HasSuffix(known, "/") && strings.HasPrefix(path, known) {
			return methods
		}
	}
	return ""
}

// unknown answers for paths and methods that are not served.
func (p *paths) unknown(w http.ResponseWriter, r *http.Request) {
	if methods := p.methodsOf(r.URL.Path); methods != "" && !slices.Contains(strings.Split(methods, ", "), r.Method) {
		w.Header().Set("Allow", methods)
		replies.Error(w, &fault.Error{
			Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed",
			Message: fmt.Sprintf("%s takes %s, not %.10s.", r.URL.Path, methods, r.Method),
		})
		return
	}
	replies.Error(w, &fault.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: fmt.Sprintf("There is nothing at %.10s %.80q; see docs/API.md.", r.Method, r.URL.Path),
	})
}
