package push

import (
	"context"
	"errors"
	"sync"
	"time"

	"nearside/cloud/push/pipe"
)

// Run keeps the link until ctx ends; what goes wrong is in the status and the
// log, never a reason to return. A goroutine of its own delivers; Run waits for
// it.
func (l *Link) Run(ctx context.Context) error {
	var delivering sync.WaitGroup
	delivering.Go(func() { l.deliver(ctx) })
	defer delivering.Wait()
	for ctx.Err() == nil {
		e := l.round(ctx)
		l.rest(ctx, l.backoff.wait(e, l.o.Jitter), e)
	}
	return nil
}

// errAway is why a broker is not called.
var errAway = errors.New("there is no network")

// round tries the brokers in order. It returns when a connection has ended, or
// when none came about.
func (l *Link) round(ctx context.Context) ending {
	var e ending
	for _, b := range l.brokers {
		if !l.o.Reachable(b.Host()) {
			e = ending{err: errAway}
			l.note(func(s *Status) { s.Broker, s.LastError = b.String(), errAway.Error() })
			continue
		}
		e = l.attempt(ctx, b)
		if e.held > 0 || ctx.Err() != nil {
			break
		}
	}
	return e
}

// attempt makes one connection and keeps it until its end.
func (l *Link) attempt(ctx context.Context, b *pipe.Broker) ending {
	number := l.number(ctx)
	l.note(func(s *Status) {
		s.Attempts++
		s.Broker, s.Session, s.NextTry = b.String(), number, time.Time{}
	})
	s, err := l.connect(ctx, b, number)
	if s.guard != nil && s.guard.Started() {
		l.least = number + 1 // the broker has seen its will
	}
	if err != nil {
		l.failed(err)
		return ending{up: s.guard != nil && s.guard.Welcomed(), err: err}
	}
	begun := time.Now()
	l.note(func(st *Status) {
		st.Connected, st.Connections, st.Since, st.LastError, st.KeepAlive = true, st.Connections+1, begun, "", s.alive
	})
	l.o.Log.Info("connected to a broker", "broker", b.String(), "session", number)
	err = s.run(ctx)
	l.note(func(st *Status) { st.Connected, st.Since = false, time.Now() })
	if ctx.Err() == nil && !errors.Is(err, errAgain) {
		l.failed(err)
	}
	return ending{up: true, held: time.Since(begun), taken: s.taken, again: errors.Is(err, errAgain), err: err}
}

// number is that of the session to come: a new one only if a broker may have
// seen the last.
func (l *Link) number(ctx context.Context) int64 {
	last := l.Status().Session
	if last > 0 && l.least <= last {
		return last
	}
	number, err := l.o.Session(ctx, l.least)
	if err != nil {
		number = max(l.least, time.Now().Unix())
		l.o.Log.Warn("the session number cannot be kept; the time takes its place", "err", err)
	}
	return max(number, l.least, 1)
}

// failed logs what is new.
func (l *Link) failed(err error) {
	was := l.Status().LastError
	l.note(func(s *Status) { s.LastError = err.Error() })
	if err.Error() != was {
		l.o.Log.Warn("no connection to a broker", "broker", l.Status().Broker, "err", err)
	}
	if errors.Is(err, pipe.ErrUntrusted) {
		l.note(func(s *Status) { s.Untrusted++ })
		l.tell(TellUntrusted, map[string]any{"broker": l.Status().Broker, "why": err.Error()})
	}
	if errors.Is(err, errFrozen) {
		l.tell(TellNoResponse, map[string]any{"broker": l.Status().Broker})
	}
}

// rest waits before the next attempt. Once the network is back the wait is cut
// short, but not where two devices take the session from one another.
func (l *Link) rest(ctx context.Context, wait time.Duration, e ending) {
	t := time.NewTimer(wait)
	defer t.Stop()
	l.note(func(s *Status) { s.NextTry = time.Now().Add(wait) })
	online := l.online
	if e.taken {
		online = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case <-online:
			online = nil
			l.backoff.window = 0
			t.Reset(min(wait, l.o.Jitter(l.o.Pace.Nudge)))
		}
	}
}

// deliver hands on what came in, one at a time. A command is acknowledged only
// then, so that one that was never looked at comes again.
func (l *Link) deliver(ctx context.Context) {
	for {
		letter := l.inbox.take(ctx)
		if letter == nil {
			return
		}
		l.o.Deliver(ctx, letter.Message)
		l.note(func(s *Status) { s.Received++ })
		if letter.command {
			letter.ack()
		}
	}
}
