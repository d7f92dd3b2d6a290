package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/cloud/network"
)

// errHurried is a time-out of a target that had less time than it is known to
// need: others go first for a while, but its breaker stays closed.
var errHurried = errors.New("the time was too short for this target")

// errOffline ends what has not begun when there is no network any more.
var errOffline = fmt.Errorf("%w: the way to it is lost", fault.ErrDown)

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
		return nil, fault.ErrDown
	}
	trial, hurried := m.onTrial(), limit < m.enough(call.Attempt)
	start := time.Now()
	m.figures.Begin()
	met, traced := p.contact(ctx, m, start)
	m.silent.add(start)
	reply, err := p.ask(traced, m, call, limit)
	m.silent.begun(start)
	took := time.Since(start)
	verdict := blame(ctx, err, hurried, trial)
	done(verdict)
	m.setAside(err, start)
	m.figures.Began(took, err != nil, err == nil || ownFault(verdict) || errors.Is(verdict, errHurried))
	if met != nil && ctx.Err() == nil && !(met.kept.Load() && errors.Is(verdict, errHurried)) {
		first := time.Duration(0)
		if err == nil && reply.Stream != nil {
			first = took
		}
		p.saw(m, network.ByCalls, err, met, first)
	}
	call.Tried(openai.Attempt{Target: m.Name, Start: start, Took: took, Result: outcome(err), Err: err})
	if err != nil || reply.Stream == nil {
		m.figures.Counted(call.Request, reply)
		m.figures.Done()
		return reply, err
	}
	over := sync.OnceFunc(m.figures.Done)
	context.AfterFunc(ctx, over) // one that lost a race is never closed
	reply.Stream.OnClose(func() { m.ended(reply.Stream); m.figures.Counted(call.Request, reply); over() })
	return reply, nil
}

func outcome(err error) string {
	if errors.Is(err, errLost) {
		return "lost"
	}
	return fault.Result(err)
}

// contact is what an attempt met on the way to its target.
type contact struct {
	start time.Time
	setup atomic.Int64 // nanoseconds until a new connection stood
	stood atomic.Bool  // a new connection stood, or a first byte came back
	kept  atomic.Bool  // it went over a connection of an earlier call, which proves nothing
	hooks httptrace.ClientTrace
}

// contact is for what a call that starts now meets; nil for a target that is
// near, whose calls say nothing of the network.
func (p *Pool) contact(ctx context.Context, m *member, start time.Time) (*contact, context.Context) {
	if p.net.Near(m.place) {
		return nil, ctx
	}
	met := &contact{start: start}
	return met, met.trace(ctx)
}

// trace notes in c what the calls under ctx meet.
func (c *contact) trace(ctx context.Context) context.Context {
	c.hooks.GotConn = func(conn httptrace.GotConnInfo) {
		c.kept.Store(conn.Reused)
		if !conn.Reused {
			c.setup.Store(int64(time.Since(c.start)))
			c.stood.Store(true)
		}
	}
	c.hooks.GotFirstResponseByte = func() { c.stood.Store(true) }
	return httptrace.WithClientTrace(ctx, &c.hooks)
}

// blame is the fault as the breaker should see it. A trial that was overtaken
// let the caller wait, and that is what it was to find out.
func blame(ctx context.Context, err error, hurried, trial bool) error {
	late := errors.Is(err, fault.ErrTimeout)
	switch {
	case err == nil:
		return nil
	case trial && (late || errors.Is(err, errLost)):
		return fault.ErrTimeout
	case ctx.Err() != nil:
		return context.Canceled // the caller left, or its own time was up
	case late && hurried:
		return errHurried
	}
	return err
}

// ended counts a stream that broke after it had begun well. Its good beginning
// was counted, so that breaks in a row are counted apart.
func (m *member) ended(s *completion.Stream) {
	if s.Ended() {
		m.cuts.Store(0)
	}
	if err := s.Fault(); ownFault(err) {
		m.cuts.Add(1)
		m.figures.Broke()
		if done, refused := m.breaker.Allow(); refused == nil {
			done(err)
		}
	}
}

// ask ends what has not begun when limit is over or the network is lost.
func (p *Pool) ask(ctx context.Context, m *member, call openai.Call, limit time.Duration) (*openai.Reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(limit, func() { cancel(fault.ErrTimeout) })
	stay := p.net.WhenLost(m.place, func() { cancel(errOffline) })
	reply, err := m.send(ctx, call)
	inTime, onLine := late.Stop(), stay()
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case err != nil:
		err = overdue(err)
	case reply.Stream == nil:
	case inTime && onLine:
		reply.Stream.OnClose(func() { cancel(nil) })
		return reply, nil
	default: // it was ended while it began
		reply.Close()
		reply, err = nil, fault.ErrTimeout
		if inTime {
			err = errOffline
		}
	}
	cancel(nil)
	return reply, err
}

// overdue takes a time-out on the way to a target, such as that of a handshake,
// for what it is to those who wait: no answer in time.
func overdue(err error) error {
	var way net.Error
	if errors.As(err, &way) && way.Timeout() && !errors.Is(err, fault.ErrCut) {
		return fmt.Errorf("%w: %w", fault.ErrTimeout, err)
	}
	return err
}

// send posts the request, with every field the caller sent, and reads as much
// of a stream as is to be held.
func (m *member) send(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	r := call.Request
	if r.Service != openai.Chat {
		return m.exchange(ctx, call)
	}
	body := r.Body(m.Models[openai.Chat])
	shape := completion.Shape{Usage: r.IncludeUsage, Silence: call.Silence}
	reply := &openai.Reply{Target: m.Name}
	var err error
	if !r.Stream {
		if reply.Answer, reply.Body, err = m.client(call.Trace).Chat(ctx, body, shape); err != nil {
			return nil, err
		}
		return reply, nil
	}
	if reply.Stream, err = m.client(call.Trace).ChatStream(ctx, body, shape); err != nil {
		return nil, err
	}
	reply.Answer = reply.Stream.Answer
	if err = reply.Stream.Prime(call.Hold); err != nil {
		reply.Close()
		return nil, err
	}
	return reply, nil
}
