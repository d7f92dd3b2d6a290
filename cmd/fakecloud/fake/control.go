package fake

import (
	"encoding/json"
	"io"
	"net/http"
)

// controlRoutes is the control API:
//
//	GET, PUT, DELETE /_fake/fault    show, set, clear the fault
//	GET, DELETE      /_fake/state    show, reset the counts
func (s *Server) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_fake/fault", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, s.Fault()) })
	mux.HandleFunc("PUT /_fake/fault", s.putFault)
	mux.HandleFunc("DELETE /_fake/fault", func(w http.ResponseWriter, _ *http.Request) { s.change(w, Fault{Kind: None}) })
	mux.HandleFunc("GET /_fake/state", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, s.State()) })
	mux.HandleFunc("DELETE /_fake/state", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		show(w, http.StatusOK, s.State())
	})
	return mux
}

func (s *Server) putFault(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
	if err != nil {
		show(w, http.StatusBadRequest, map[string]string{"error": "the body could not be read"})
		return
	}
	f, err := ParseFault(string(body))
	if err != nil {
		show(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s.change(w, f)
}

// change sets the fault and shows it.
func (s *Server) change(w http.ResponseWriter, f Fault) {
	if err := s.Set(f); err != nil {
		show(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	show(w, http.StatusOK, f)
}

func show(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only when the caller has gone
}
