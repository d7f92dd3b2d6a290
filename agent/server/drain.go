package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"nearside/agent"
	"nearside/agent/server/replies"
)

// lastWords is how long callers are given to hear that.
const lastWords = time.Second

// drain lets requests under way finish for at most limit. What is left then is
// ended: its caller is told so, and its connection closed.
func (s *Server) drain(limit time.Duration) error {
	s.draining.Store(true)
	s.opts.Log.Info("draining", "at_most", limit.String())
	if s.shutdown(limit) == nil {
		return nil
	}
	s.opts.Log.Warn("requests were cut after the drain time")
	s.cut(replies.ErrStopping)
	if s.shutdown(lastWords) == nil {
		return nil
	}
	return s.http.Close()
}

func (s *Server) shutdown(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return s.http.Shutdown(ctx)
}

// handle has the agent handle a request. When it was this server that ended
// it, the caller is still there to be told.
func (s *Server) handle(r *http.Request, in agent.Input) (*agent.Result, error) {
	result, err := s.opts.Agent.Handle(r.Context(), in)
	if errors.Is(err, agent.ErrCallerOff) && errors.Is(context.Cause(r.Context()), replies.ErrStopping) {
		err = replies.ErrStopping
	}
	return result, err
}
