package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/trace"
)

// read takes a request in: its body into memory first, since a stream's body
// that is still being read cuts replies short (golang/go#40747). Once it has been
// read to its end, net/http only waits for the caller to go away, without a bound.
func (s *Server) read(w http.ResponseWriter, r *http.Request, decode decoder) (agent.Input, error) {
	in := agent.Input{
		RequestID: first(w.Header(), "X-Request-Id"), Caller: callers.LineOf(r).Name(), Trace: trace.From(r.Header["Traceparent"]),
	}
	w.Header()["Traceparent"] = []string{in.Trace.String()}
	if err := readInput(r.Header, &in); err != nil {
		return in, err
	}
	body, err := readBody(r)
	if err != nil {
		return in, bodyError(err)
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
	if err == nil && strings.EqualFold(single(r.Header, "X-Nearside-Defer"), "only") {
		err = unbuiltError("x-nearside-defer: only")
	}
	if err != nil {
		s.unread(w) // the body may have taken longer than a reply may
		w.Header().Set("X-Nearside-Route", "none")
		writeError(w, wireError(err))
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

// plain writes a whole answer, or why there is none.
func (s *Server) plain(w http.ResponseWriter, result *agent.Result, err error) {
	s.unread(w)
	writeHead(w.Header(), &result.Head)
	if errors.Is(err, agent.ErrCallerOff) {
		result.Close(agent.Finish{Err: err})
		writeError(w, errLeft)
		return
	}
	if err != nil {
		e := wireError(err)
		result.Close(agent.Finish{Status: e.Status})
		writeError(w, e)
		return
	}
	h, kind := w.Header(), []string{"application/json", strconv.Itoa(len(result.Body))}
	h["Content-Type"], h["Content-Length"], h["Date"] = kind[:1:1], kind[1:], s.dates.at(time.Now())
	_, err = w.Write(result.Body)
	result.Close(agent.Finish{Status: http.StatusOK, Err: err})
}

// heartbeat is how often a waiting stream gets a comment.
const heartbeat = 5 * time.Second

// stream answers chunk by chunk. A caller that waits long for the first one is
// given its headers and comments meanwhile, so that it does not give up.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, in agent.Input) {
	out := &sse{w: w, ctl: http.NewResponseController(w), unread: s.opts.Limits.Unread}
	out.text = out.room[:0]
	out.wait(s.opts.Pending)
	defer out.waited()
	result, err := s.handle(r, in)
	out.waited()
	if err != nil {
		out.refuse(result, err)
		return
	}
	out.finish(result)
}

// sse writes server-sent events. It belongs to one goroutine at a time.
type sse struct {
	w      http.ResponseWriter
	ctl    *http.ResponseController
	unread time.Duration // that it may leave what is sent to it
	begun  bool          // headers are out
	late   bool          // they went out before it was known who answers
	text   []byte        // of the latest line
	until  time.Time     // when a write gives up
	unsent bool          // something was put and not sent off
	err    error         // of sending it off while the stream waited

	mu   sync.Mutex // guards all of it while the stream waits
	next *time.Timer
	over bool // it waits no more

	room [512]byte // of text, while lines are short
}

// wait keeps a caller company that waits for longer than after, until waited
// has returned.
func (o *sse) wait(after time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = time.AfterFunc(after, o.beat)
}

func (o *sse) beat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.pend()
		o.next.Reset(heartbeat)
	}
}

func (o *sse) waited() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.next.Stop()
}

func (o *sse) begin() {
	h, lines := o.w.Header(), []string{"text/event-stream", "no-cache", "no"}
	h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = lines[:1:1], lines[1:2:2], lines[2:]
	o.w.WriteHeader(http.StatusOK)
	o.begun = true
}

// pend tells a waiting caller that work goes on.
func (o *sse) pend() {
	if !o.begun {
		o.w.Header().Set("X-Nearside-Route", "pending")
		o.begin()
		o.late = true
	}
	_ = o.line(": waiting for an answer")
}

// line writes one event or comment and sends it off.
func (o *sse) line(text string) error {
	if err := o.put(append(o.text[:0], text...)); err != nil {
		return err
	}
	return o.ctl.Flush()
}

// event is a line of data; what follows at once is sent off with it.
func (o *sse) event(data []byte) error {
	o.unsent = true
	return errors.Join(o.err, o.put(append(append(o.text[:0], "data: "...), data...)))
}

// send sends off what was put.
func (o *sse) send() {
	if o.unsent {
		o.unsent, o.err = false, o.ctl.Flush()
	}
}

// last is a line that goes with the end of the reply.
func (o *sse) last(text string) { _ = o.put(append(o.text[:0], text...)) }

// put writes a line, whose memory the next one has.
func (o *sse) put(text []byte) error {
	o.text = append(text, "\n\n"...)
	o.timed()
	_, err := o.w.Write(o.text)
	return err
}

// timed gives what is sent now its time, not anew for each of many.
func (o *sse) timed() {
	if now := time.Now(); o.until.Sub(now) < o.unread-o.unread/16 {
		o.until = now.Add(o.unread)
		_ = o.ctl.SetWriteDeadline(o.until)
	}
}

// trailer says at the end what the headers could not say at the beginning.
func (o *sse) trailer(h *agent.Head) {
	if o.late {
		_ = o.line(": nearside decision=" + h.Decision)
		_ = o.line(": nearside route=" + h.Route + " target=" + h.Target + " reason=" + h.Reason)
	}
}

// finish passes the stream on and ends it.
func (o *sse) finish(result *agent.Result) {
	if !o.begun {
		writeHead(o.w.Header(), &result.Head)
		o.begin()
	}
	err := o.copy(result.Stream)
	switch {
	case errors.Is(err, errCallerGone):
		result.Close(agent.Finish{Status: http.StatusOK, Err: context.Canceled})
		return
	case err != nil:
		result.Close(agent.Finish{Status: http.StatusOK, Err: err})
		o.last("data: " + string(wireError(err).Body()))
		return
	}
	result.Close(agent.Finish{Status: http.StatusOK})
	o.trailer(&result.Head)
	o.last("data: [DONE]")
}

// refuse says why there is no answer: as a plain error while that is possible,
// else as an error event.
func (o *sse) refuse(result *agent.Result, err error) {
	e, status := errLeft, 0
	if !errors.Is(err, agent.ErrCallerOff) {
		e = wireError(err)
		status = e.Status
		err = nil
	}
	result.Close(agent.Finish{Status: status, Err: err})
	if o.begun {
		o.trailer(&result.Head)
		o.last("data: " + string(e.Body()))
		return
	}
	o.timed()
	writeHead(o.w.Header(), &result.Head)
	writeError(o.w, e)
}

var errCallerGone = errors.New("the caller went away")

// copy passes chunks on until the stream ends: the first at once, the others
// before there is anything to wait for.
func (o *sse) copy(stream *completion.Stream) error {
	stream.Idle = o.send
	for first := true; ; first = false {
		chunk, err := stream.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			if errors.Is(err, context.Canceled) {
				return errCallerGone
			}
			return err
		}
		if o.event(chunk) != nil {
			return errCallerGone
		}
		if first {
			o.send()
		}
	}
}

func unbuiltError(what string) *fault.Error {
	return &fault.Error{
		Status: http.StatusNotImplemented, Type: "not_implemented", Code: "not_implemented",
		Message: strings.TrimSpace(what) + " is not built yet.",
	}
}
