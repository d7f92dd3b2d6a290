package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"nearside/agent"
	"nearside/agent/openai/completion"
	"nearside/agent/server/headers"
	"nearside/agent/server/replies"
)

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
		_ = o.line(": nearside decision=" + h.Decision + more(h))
		_ = o.line(": nearside route=" + h.Route + " target=" + h.Target + " reason=" + h.Reason)
	}
}

// more is what else the headers would have said that is one word each.
func more(h *agent.Head) string {
	text := fmt.Sprintf(" attempts=%d policy=%s cache=%s", h.Attempts, h.Policy, h.Cache)
	if h.Kept {
		text += fmt.Sprintf(" age=%d", int64(h.Age/time.Second))
	}
	if h.Degraded {
		text += " degraded=1"
	}
	return text
}

// finish passes the stream on and ends it.
func (o *sse) finish(result *agent.Result) {
	if !o.begun {
		headers.Write(o.w.Header(), &result.Head)
		o.begin()
	}
	err := o.copy(result.Stream)
	switch {
	case errors.Is(err, errCallerGone):
		result.Close(agent.Finish{Status: http.StatusOK, Err: context.Canceled})
		o.last("data: " + string(errLeft.Body()))
		return
	case err != nil:
		result.Close(agent.Finish{Status: http.StatusOK, Err: err})
		o.last("data: " + string(replies.Of(err).Body()))
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
		e = replies.Of(err)
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
	headers.Write(o.w.Header(), &result.Head)
	replies.Error(o.w, e)
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
