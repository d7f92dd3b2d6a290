package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/server/headers"
	"nearside/agent/server/replies"
	"nearside/agent/trace"
)

// read takes a request in: its body into memory first, since a stream's body
// that is still being read cuts replies short (golang/go#40747). Once it has been
// read to its end, net/http only waits for the caller to go away, without a bound.
func (s *Server) read(w http.ResponseWriter, r *http.Request, decode decoder) (agent.Input, error) {
	in := agent.Input{
		RequestID: headers.First(w.Header(), "X-Request-Id"), Caller: callers.LineOf(r).Name(), Trace: trace.From(r.Header["Traceparent"]),
	}
	w.Header()["Traceparent"] = []string{in.Trace.String()}
	if err := headers.Read(r.Header, &in); err != nil {
		return in, err
	}
	body, err := readBody(r)
	if err != nil {
		return in, replies.OfBody(err)
	}
	if in.Request, err = decode(body); err != nil {
		return in, err
	}
	in.Check, err = answerCheck(in.Request)
	return in, err
}

// asked reads an ask. One that cannot be read is answered: ok is false.
func (s *Server) asked(w http.ResponseWriter, r *http.Request, decode decoder) (in agent.Input, ok bool) {
	in, err := s.read(w, r, decode)
	if err == nil && strings.EqualFold(headers.Single(r.Header, "X-Nearside-Defer"), "only") {
		err = replies.Unbuilt("x-nearside-defer: only")
	}
	if err != nil {
		s.unread(w) // the body may have taken longer than a reply may
		w.Header().Set("X-Nearside-Route", "none")
		replies.Error(w, err)
	}
	return in, err == nil
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	in, ok := s.asked(w, r, openai.Decode)
	if !ok {
		return
	}
	if in.Request.Stream {
		s.stream(w, r, in)
		return
	}
	result, err := s.handle(r, in)
	s.plain(w, result, err)
}

// errLeft is for a caller that closed its half of the connection and still
// reads; one that is gone hears nothing.
var errLeft = &fault.Error{
	Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "caller_gone",
	Message: "The connection was closed for writing, which is taken for leaving; keep it open until the answer is there.",
}

// plain writes a whole answer, or why there is none.
func (s *Server) plain(w http.ResponseWriter, result *agent.Result, err error) {
	s.unread(w)
	headers.Write(w.Header(), &result.Head)
	if errors.Is(err, agent.ErrCallerOff) {
		result.Close(agent.Finish{Err: err})
		replies.Error(w, errLeft)
		return
	}
	if err != nil {
		e := replies.Of(err)
		result.Close(agent.Finish{Status: e.Status})
		replies.Error(w, e)
		return
	}
	h, kind := w.Header(), []string{"application/json", strconv.Itoa(len(result.Body))}
	h["Content-Type"], h["Content-Length"], h["Date"] = kind[:1:1], kind[1:], s.dates.at(time.Now())
	_, err = w.Write(result.Body)
	result.Close(agent.Finish{Status: http.StatusOK, Err: err})
}
