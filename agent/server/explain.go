package server

import (
	"net/http"

	"nearside/agent"
	"nearside/agent/openai/fault"
	"nearside/agent/server/headers"
	"nearside/agent/server/replies"
	"nearside/agent/server/signals"
)

// explain plans what the body asks for, or with ?from=decision explains the
// record in it again.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	e, err := s.explained(w, r)
	if err != nil {
		replies.Error(w, err)
		return
	}
	replies.JSON(w, http.StatusOK, e)
}

func (s *Server) explained(w http.ResponseWriter, r *http.Request) (*agent.Explanation, error) {
	values, err := signals.Assumed(headers.Single(r.Header, http.CanonicalHeaderKey(signals.Header)))
	if err != nil {
		return nil, err
	}
	switch from := r.URL.Query().Get("from"); from {
	case "decision":
		body, err := readBody(r)
		if err != nil {
			return nil, replies.OfBody(err)
		}
		return s.opts.Agent.ExplainRecord(body, values)
	case "":
	default:
		return nil, fault.Invalid("from", "from is %.20q; it must be decision, or absent.", from)
	}
	in, err := s.read(w, r, decoderOf(r.URL.Query().Get("service")))
	if err != nil {
		return nil, err
	}
	in.Assume = values
	return s.opts.Agent.Explain(in)
}
