package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"nearside/agent"
)

// degradedFor is how long after a degraded answer the daemon counts as giving
// such answers.
const degradedFor = time.Minute

// observer is the agent's observer: it hands on to the next, notes degraded
// answers, and logs requests where that is wanted.
type observer struct {
	next   follower
	log    *slog.Logger
	level  *slog.LevelVar // of log; nil is not known
	touch  func()
	latest atomic.Pointer[lapse]
}

// follower is an observer that is told of beginnings, too.
type follower interface {
	agent.Observer
	agent.Starter
}

// lapse is a degraded answer.
type lapse struct {
	at     time.Time
	reason string
}

// Began makes it an agent's starter.
func (t *observer) Began() { t.next.Began() }

// Attempted makes it an agent's observer.
func (t *observer) Attempted(target, result string) { t.next.Attempted(target, result) }

// Finished makes it an agent's observer.
func (t *observer) Finished(o *agent.Observation) {
	t.next.Finished(o)
	if o.Degraded {
		before := t.degraded(time.Now())
		t.latest.Store(&lapse{time.Now(), o.Reason})
		if before == "" {
			t.touch()
		}
	}
	if t.verbose() {
		t.log.Debug("request", "decision", o.Decision, "caller", o.Caller, "service", o.Service, "status", o.Status, "route", o.Route,
			"target", o.Target, "reason", o.Reason, "cache", o.Cache, "ms", o.Total.Milliseconds())
	}
}

// verbose tells whether requests are logged. The level says it sooner than the
// log, which asks all that it writes to.
func (t *observer) verbose() bool {
	if t.level != nil {
		return t.level.Level() <= slog.LevelDebug
	}
	return t.log.Enabled(context.Background(), slog.LevelDebug)
}

// degraded is the reason of the latest degraded answer, "" when that was long
// ago.
func (t *observer) degraded(now time.Time) string {
	l := t.latest.Load()
	if l == nil || now.Sub(l.at) > degradedFor {
		return ""
	}
	return l.reason
}
