package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nearside/agent/openai/fault"
)

// Model is one entry of GET /v1/models.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": s.opts.Models()})
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	all := s.opts.Models()
	i := slices.IndexFunc(all, func(m Model) bool { return m.ID == id })
	if i < 0 {
		writeError(w, &fault.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
			Message: fmt.Sprintf("The model %.80q does not exist; GET /v1/models lists those that do.", id),
		})
		return
	}
	writeJSON(w, http.StatusOK, all[i])
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	doc := s.opts.Status()
	doc.Callers, doc.Refused = s.opts.Callers.Figures(), s.refused.counts()
	writeJSON(w, http.StatusOK, doc)
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		writeText(w, http.StatusServiceUnavailable, "draining")
		return
	}
	if err := s.opts.Ready(); err != nil {
		writeText(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	writeText(w, http.StatusOK, "ready")
}

// maxDecisions bounds one page of decisions.
const maxDecisions = 1000

func (s *Server) decisions(w http.ResponseWriter, r *http.Request) {
	limit := 50
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxDecisions {
			writeError(w, fault.Invalid("limit", "limit is %.20q; it must be a whole number from 1 to %d.", v, maxDecisions))
			return
		}
		limit = n
	}
	list := []json.RawMessage{}
	if h := s.opts.History(); h != nil {
		records, err := h.Decisions(r.Context(), limit, r.URL.Query().Get("before"))
		if err != nil {
			writeError(w, storeError())
			return
		}
		for _, rec := range records {
			list = append(list, rec)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (s *Server) decision(w http.ResponseWriter, r *http.Request) {
	if h := s.opts.History(); h != nil {
		rec, ok, err := h.Decision(r.Context(), r.PathValue("id"))
		if err != nil {
			writeError(w, storeError())
			return
		}
		if ok {
			writeJSON(w, http.StatusOK, json.RawMessage(rec))
			return
		}
	}
	writeError(w, decisionNotFound("id"))
}

func decisionNotFound(param string) *fault.Error {
	return &fault.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "decision_not_found", Param: param,
		Message: "There is no decision with this id; it may have been dropped by age.",
	}
}

func storeError() *fault.Error {
	return &fault.Error{
		Status: http.StatusInternalServerError, Type: "store_error", Code: "store_error",
		Message: "The history cannot be read; see store in /v1/status.",
	}
}

func notBuilt(w http.ResponseWriter, r *http.Request) {
	writeError(w, unbuiltError(r.Method+" "+r.URL.Path))
}

// unknown answers for paths and methods that are not served.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	if method, ok := methodOf(r.URL.Path); ok && !slices.Contains(strings.Split(method, ", "), r.Method) {
		w.Header().Set("Allow", method)
		writeError(w, &fault.Error{
			Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed",
			Message: fmt.Sprintf("%s takes %s, not %.10s.", r.URL.Path, method, r.Method),
		})
		return
	}
	writeError(w, &fault.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url",
		Message: fmt.Sprintf("There is nothing at %.10s %.80q; see docs/API.md.", r.Method, r.URL.Path),
	})
}

// methodOf is the methods a path takes.
func methodOf(path string) (string, bool) {
	for _, list := range []string{"/v1/models/", "/v1/decisions/"} {
		if strings.HasPrefix(path, list) {
			return http.MethodGet, true
		}
	}
	if strings.HasPrefix(path, "/v1/call/") {
		return http.MethodPost, true
	}
	method, ok := known[path]
	return method, ok
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		writeError(w, &fault.Error{Status: http.StatusInternalServerError, Type: "internal_error", Message: "The reply could not be encoded."})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
