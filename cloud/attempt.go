package cloud

import (
	"context"
	"errors"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"nearside/agent/openai"
)

// errHurried is a time-out that says nothing of the target, since it had less
// time than it is known to need.
var errHurried = errors.New("the time was too short for this target")

// result is the end of one attempt.
type result struct {
	m     *member
	reply *openai.Reply
	err   error
}

// attempt asks one member within limit. The limit holds until the reply has
// begun; ctx holds as long as the reply lives.
func (p *Pool) attempt(ctx context.Context, m *member, call openai.Call, limit time.Duration) (*openai.Reply, error) {
	done, err := m.breaker.Allow()
	if err != nil {
		return nil, openai.ErrDown
	}
	trial := m.onTrial()
	start := time.Now()
	m.figures.Begin()
	reached := &atomic.Bool{}
	reply, err := m.ask(trace(ctx, reached), call, limit)
	took := time.Since(start)
	verdict := m.blame(err, limit, trial)
	m.slow.Store(errors.Is(verdict, openai.ErrTimeout))
	done(verdict)
	m.setAside(err, start)
	m.figures.End(took, err != nil, err == nil || ownFault(verdict))
	p.net.saw(m, err, reached.Load())
	call.Tried(openai.Attempt{Target: m.Name, Start: start, Took: took, Result: outcome(err), Err: err})
	if err == nil && reply.Stream != nil {
		reply.Stream.OnClose(func() { m.ended(reply.Stream) })
	}
	return reply, err
}

func outcome(err error) string {
	if errors.Is(err, errLost) {
		return "lost"
	}
	return openai.Result(err)
}

// trace notes when a connection to the target stands.
func trace(ctx context.Context, reached *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})
}

// blame is the fault as the breaker should see it. A trial that was overtaken
// let the caller wait, and that is what it was to find out.
func (m *member) blame(err error, limit time.Duration, trial bool) error {
	switch {
	case trial && errors.Is(err, errLost):
		return openai.ErrTimeout
	case errors.Is(err, openai.ErrTimeout) && limit < m.typical():
		return errHurried
	}
	return err
}

// ended counts a stream that broke after it had begun well.
func (m *member) ended(s *openai.Stream) {
	if err := s.Fault(); ownFault(err) {
		if done, refused := m.breaker.Allow(); refused == nil {
			m.slow.Store(errors.Is(err, openai.ErrStalled))
			done(err)
		}
	}
}

func (m *member) ask(ctx context.Context, call openai.Call, limit time.Duration) (*openai.Reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(limit, func() { cancel(openai.ErrTimeout) })
	reply, err := m.send(ctx, call)
	if err == nil && reply.Stream != nil {
		reply.Stream.OnClose(func() { cancel(nil) })
		if late.Stop() {
			return reply, nil
		}
		reply.Close()
		return nil, openai.ErrTimeout
	}
	late.Stop()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel(nil)
	return reply, err
}

// send posts the request, with every field the caller sent, and reads as much
// of a stream as is to be held.
func (m *member) send(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	r := call.Request
	body := r.Body(m.Models["chat"])
	shape := openai.Shape{Usage: r.IncludeUsage, Silence: call.Silence}
	reply := &openai.Reply{Target: m.Name}
	var err error
	if !r.Stream {
		if reply.Answer, reply.Body, err = m.client().Chat(ctx, body, shape); err != nil {
			return nil, err
		}
		return reply, nil
	}
	if reply.Stream, err = m.client().ChatStream(ctx, body, shape); err != nil {
		return nil, err
	}
	reply.Answer = reply.Stream.Answer
	if err = reply.Stream.Prime(call.Hold); err != nil {
		reply.Close()
		return nil, err
	}
	return reply, nil
}
