package push

import (
	"errors"
	"fmt"
	"time"
)

var errFrozen = errors.New("the broker gave no answer")

const (
	usualAlive = 5 * time.Minute
	leastAlive = time.Second
	mostAlive  = time.Hour
	renewAfter = 10 * time.Minute // a connection is not renewed for a longer keep-alive before this
)

// watch decides when to ping and when a broker is taken for dead. It is pure:
// the session tells it what was sent and heard, and when.
type watch struct {
	announced time.Duration // keep-alive that the broker was told
	answer    time.Duration // limit of an answer
	begun     time.Time
	sent      time.Time // newest of ours
	heard     time.Time // newest of the broker's
	pinged    time.Time // newest ping of ours
	owed      time.Time // when the oldest note without an answer was sent; zero is none
}

// verdict is what to do now, and when to look again.
type verdict struct {
	dead  error
	ping  bool
	renew bool // the keep-alive may be much longer than was announced
	again time.Duration
}

// look judges at now, with the keep-alive that is wanted now. A shorter one than
// announced is kept at once, a longer one from the next connection on; one twice
// as long is worth a new connection.
func (w *watch) look(now time.Time, wanted time.Duration) verdict {
	if late := w.late(now); late > 0 {
		return verdict{dead: fmt.Errorf("%w for %s", errFrozen, late.Round(time.Millisecond))}
	}
	alive := min(w.announced, wanted)
	due := earliest(w.sent, w.heard).Add(alive)
	v := verdict{ping: !w.unanswered() && !now.Before(due)}
	v.renew = v.ping && wanted >= 2*w.announced && now.Sub(w.begun) >= renewAfter
	switch {
	case w.unanswered():
		due = w.pinged.Add(w.answer)
	case v.ping:
		due = now.Add(min(w.answer, alive))
	}
	if !w.owed.IsZero() {
		due = earliest(due, w.owed.Add(w.answer))
	}
	v.again = due.Sub(now)
	return v
}

// late is for how long the broker owes an answer, when that is too long.
func (w *watch) late(now time.Time) time.Duration {
	since := w.owed
	if w.unanswered() && (since.IsZero() || w.pinged.Before(since)) {
		since = w.pinged
	}
	if since.IsZero() || now.Sub(since) < w.answer {
		return 0
	}
	return now.Sub(since)
}

func (w *watch) unanswered() bool { return w.pinged.After(w.heard) }

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// aliveOf is the keep-alive that is wanted now, in its bounds.
func aliveOf(f func() time.Duration) time.Duration {
	return min(max(f(), leastAlive), mostAlive).Truncate(time.Second)
}
