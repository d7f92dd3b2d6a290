package cloud

import (
	"context"
	"errors"
	"slices"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// hedgeAfter is how long a target on trial may keep others waiting.
const hedgeAfter = time.Second

// race is one round over the callable members of a call: one after the other,
// except that a member on trial is overtaken when it lets the caller wait.
type race struct {
	pool    *Pool
	ctx     context.Context
	call    openai.Call
	end     time.Time
	queue   []*member
	room    [few]*member // of queue, when there are no more
	running map[*member]context.CancelCauseFunc
	results chan result
	last    *member // launched last; those before it are on trial
}

// round asks each callable member at most once.
func (p *Pool) round(ctx context.Context, call openai.Call, end time.Time) (*openai.Reply, error) {
	r, now := &race{pool: p, ctx: ctx, call: call, end: end}, time.Now()
	r.queue = p.callable(r.room[:0], call.Targets, now)
	if len(r.queue) > 1 {
		doubtfulLast(r.queue, now)
	}
	if slices.ContainsFunc(r.queue, (*member).onTrial) {
		return r.run()
	}
	return r.inTurn()
}

// doubtfulLast has those go first that do not seem to hang.
func doubtfulLast(queue []*member, now time.Time) {
	var doubtful []*member
	kept := queue[:0]
	for _, m := range queue {
		if m.doubtful(now) {
			doubtful = append(doubtful, m)
		} else {
			kept = append(kept, m)
		}
	}
	copy(queue[len(kept):], doubtful)
}

// inTurn asks one member after the other: the usual case, where none is on
// trial, without a goroutine for each.
func (r *race) inTurn() (*openai.Reply, error) {
	err := fault.ErrDown
	for m := r.next(); m != nil; m = r.next() {
		var reply *openai.Reply
		if reply, err = r.pool.attempt(r.ctx, m, r.call, r.limit(m)); err == nil {
			return reply, nil
		}
		if settles(err) || r.ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// next takes the next member that can be reached, nil when none is left.
func (r *race) next() *member {
	if r.pool.net.Look().Lost() {
		r.queue = slices.DeleteFunc(r.queue, r.pool.cutOff)
	}
	if len(r.queue) == 0 {
		return nil
	}
	m := r.queue[0]
	r.queue = r.queue[1:]
	return m
}

// run lets members race: one on trial is overtaken when it lets the caller wait.
func (r *race) run() (*openai.Reply, error) {
	r.running, r.results = map[*member]context.CancelCauseFunc{}, make(chan result, len(r.queue))
	err := fault.ErrDown
	hedge := r.launch()
	for len(r.running) > 0 {
		select {
		case <-hedge:
			hedge = r.launch()
		case got := <-r.results:
			cancel := r.running[got.m]
			delete(r.running, got.m)
			if got.err == nil {
				r.cancelRest()
				got.reply.OnClose(func() { cancel(nil) })
				return got.reply, nil
			}
			cancel(got.err)
			err = got.err
			if settles(err) || r.ctx.Err() != nil {
				r.cancelRest()
				return nil, err
			}
			if got.m == r.last {
				hedge = r.launch()
			}
		}
	}
	return nil, err
}

// settles tells whether the fault is the request's own, so that no other
// target would do better.
func settles(err error) bool {
	var e *fault.Error
	return errors.As(err, &e) && e.OfRequest()
}

// launch starts the next member that can be reached. The channel tells when to
// overtake it; it is nil, and so never does, unless the member is on trial.
func (r *race) launch() <-chan time.Time {
	m := r.next()
	if m == nil {
		return nil
	}
	limit := r.limit(m)
	trial := m.onTrial()
	ctx, cancel := context.WithCancelCause(r.ctx)
	r.running[m], r.last = cancel, m
	go func() {
		reply, err := r.pool.attempt(ctx, m, r.call, limit)
		r.results <- result{m, reply, err}
	}()
	if trial && len(r.queue) > 0 {
		return time.After(hedgeAfter)
	}
	return nil
}

// limit is how long the member may take: all that is left for the last one,
// else no more than it should need, at least a second, and never what those
// after it need.
func (r *race) limit(m *member) time.Duration {
	left := time.Until(r.end)
	if len(r.queue) == 0 {
		return left
	}
	fair := left / time.Duration(1+len(r.queue))
	var others time.Duration
	for _, o := range r.queue {
		if d, ok := o.typical(); ok {
			others += max(2*d, time.Second)
		} else {
			others += fair
		}
	}
	share := max(left-others, fair)
	return min(max(m.limit(r.call.Attempt), time.Second), share)
}

// cancelRest ends what lost. A reply of theirs that came meanwhile ends with
// its context, and the channel has room for it.
func (r *race) cancelRest() {
	for _, cancel := range r.running {
		cancel(errLost)
	}
}
