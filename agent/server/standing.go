package server

import (
	"net/http"

	"nearside/agent/server/feed"
	"nearside/agent/server/listen"
	"nearside/agent/server/replies"
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	doc := s.opts.Status()
	doc.Callers, doc.Refused = s.opts.Callers.Figures(), s.refused.counts()
	replies.JSON(w, http.StatusOK, doc)
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		replies.Text(w, http.StatusServiceUnavailable, "draining")
		return
	}
	if err := s.opts.Ready(); err != nil {
		replies.Text(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	replies.Text(w, http.StatusOK, "ready")
}

// Counts are what the server itself counts.
type Counts struct {
	InFlight int64                 // requests that are being answered
	Refused  map[string]int64      // requests that were not looked at, by reason
	Feeds    map[string]feed.Stats // by name: events, logs
	Crowded  int64                 // connections that came while all places were taken
}

// Counts may be called at any time.
func (s *Server) Counts() Counts {
	return Counts{s.asking.Load(), s.refused.counts(), s.opts.Control.Watch.Stats(), s.crowded()}
}

func (s *Server) crowded() (n int64) {
	if ways := s.ways.Load(); ways != nil {
		for _, l := range *ways {
			n += listen.Crowded(l)
		}
	}
	return n
}

// counted counts a request as being answered.
func (s *Server) counted(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.opts.Asked(s.asking.Add(1))
		defer s.asking.Add(-1)
		h(w, r)
	}
}
