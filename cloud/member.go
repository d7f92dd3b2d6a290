package cloud

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"nearside/agent/openai/client"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/rolling"
	"nearside/cloud/ways"
)

// How a target that fails is left alone.
const (
	openFor       = 30 * time.Second // breaker open, or demoted after a time-out
	faultsInARow  = 5
	faultsWindow  = 30 * time.Second // half of at least faultsSample calls within it
	faultsSample  = 10
	leastPatience = 1500 * time.Millisecond // a time-out before it blames no target that is not known
	refusedFor    = 5 * time.Minute         // after 401, 403, 404
	rateLimited   = 30 * time.Second        // after a 429 that names no time
	maxRetryAfter = time.Hour
)

// askedForLess is why a target that answered 429 is set aside.
const askedForLess = "it asked for fewer calls"

// errLost is a call that was not needed any more, since another was quicker.
var errLost = errors.New("another target was quicker")

// member is one target of the pool.
type member struct {
	Target
	place   ways.Place // that the base URL leads to
	host    string     // of the base URL
	secure  bool       // the base URL is https
	http    http.RoundTripper
	changed func() // told of the breaker and of being set aside; never waits
	figures rolling.Figures
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	silent  unanswered
	cuts    atomic.Int32 // streams in a row that broke after their first token
	slow    atomic.Bool  // its latest fault was a time-out, which opens the breaker at once
	tripped atomic.Bool  // its breaker is open or half open

	aside atomic.Pointer[aside] // the latest that it was set aside for; nil is nothing. Changed under mu

	mu    sync.Mutex // guards all below
	key   string
	asks  client.Client // with that key; copied for each call
	since time.Time     // when the key was read last
}

// aside is why and until when a target is left alone.
type aside struct {
	until time.Time
	why   string
}

func newMember(t Target, transport http.RoundTripper, changed func()) *member {
	m := &member{Target: t, http: transport, changed: changed}
	if base, err := url.Parse(t.Base); err == nil {
		m.host, m.secure = base.Hostname(), base.Scheme == "https"
		m.place = ways.PlaceOf(base)
	}
	if t.Keyed {
		m.aside.Store(&aside{time.Now().Add(forever), "its key is not there yet"})
	}
	m.prepareLocked()
	m.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: t.Name, MaxRequests: 1, Timeout: openFor,
		Interval: faultsWindow, BucketPeriod: faultsWindow / 10,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return m.slow.Load() || m.cuts.Load() >= faultsInARow || c.ConsecutiveFailures >= faultsInARow ||
				c.TotalFailures+c.TotalSuccesses >= faultsSample && c.TotalFailures >= c.TotalSuccesses
		},
		IsSuccessful: func(err error) bool { // under the breaker's own lock, so that no other call comes between
			m.slow.Store(errors.Is(err, fault.ErrTimeout) || errors.Is(err, fault.ErrStalled))
			return err == nil
		},
		IsExcluded: func(err error) bool { return err != nil && !ownFault(err) },
		OnStateChange: func(_ string, _, is gobreaker.State) { // under the breaker's own lock
			m.tripped.Store(is != gobreaker.StateClosed)
			changed()
		},
	})
	return m
}

// client asks the target with the key it has now. Trace gives the traceparent
// of one call; nil is none.
func (m *member) client(trace func() string) *client.Client {
	m.mu.Lock()
	c := m.asks
	m.mu.Unlock()
	if trace != nil {
		c.Trace = trace()
	}
	return &c
}

// prepareLocked has calls made with the key there is now.
func (m *member) prepareLocked() {
	m.asks = client.Client{Base: m.Base, Key: m.key, Hide: []byte(m.key), HTTP: m.http}
	if m.KeyIn != "" {
		m.asks.Key = ""
	}
	m.asks.Prepare()
}

// forever sets a target aside until something else changes.
const forever = 100 * 365 * 24 * time.Hour

// setKey gives the target its key, or leaves it alone while there is none. What
// it refused before is forgiven; a limit it announced to this key holds. It
// tells whether the key is another.
func (m *member) setKey(key string, err error) (other bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	other = key != m.key
	if a := m.aside.Load(); err == nil && !other && a != nil && a.why == askedForLess {
		return false
	}
	m.key, m.since = key, time.Now()
	m.prepareLocked()
	var none *aside
	if err != nil {
		none = &aside{m.since.Add(forever), "its key cannot be had: " + err.Error()}
	}
	m.aside.Store(none)
	return other
}

// ownFault tells whether the target is to blame: not for a caller that went
// away, not for a request that is wrong, not for a limit it announced, not for
// a network that is gone, not for what this process ran short of.
func ownFault(err error) bool {
	if err == nil {
		return false
	}
	var e *fault.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errLost), errors.Is(err, errHurried), errors.Is(err, errOffline), ranShort(err):
		return false
	case errors.As(err, &e):
		return e.Status >= 500 || e.Status == http.StatusRequestTimeout
	}
	return true
}

// setAside leaves the target alone after an answer that says so: its key or
// model is wrong, or it wants fewer calls. What a call met that began before the
// key was read last is old news, but for the latter.
func (m *member) setAside(err error, now time.Time) {
	if err == nil {
		return
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.OfRequest() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.since) && e.Status != http.StatusTooManyRequests {
		return
	}
	if a := asideFor(e, now); a != nil {
		m.aside.Store(a)
		m.changed()
	}
}

// asideFor is for how long an answer has its target left alone; nil is not at
// all. Of fewer calls the answer says the same from then on, for the caller.
func asideFor(e *fault.Error, now time.Time) *aside {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return &aside{now.Add(refusedFor), "it refused the key; correct it, then run: nearside config reload"}
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return &aside{now.Add(refusedFor), "it does not know the model or the path; check base_url and models, then run: nearside config reload"}
	case http.StatusTooManyRequests:
		e.RetryAfter = min(cmp.Or(e.RetryAfter, rateLimited), maxRetryAfter)
		return &aside{now.Add(e.RetryAfter), askedForLess}
	}
	return nil
}

// left is how long the target is still set aside, and why.
func (m *member) left(now time.Time) (time.Duration, string) {
	a := m.aside.Load()
	if a == nil {
		return 0, ""
	}
	return a.until.Sub(now), a.why
}

// state is the breaker's. Nothing but the end of a call opens one that is closed.
func (m *member) state() gobreaker.State {
	if !m.tripped.Load() {
		return gobreaker.StateClosed
	}
	return m.breaker.State()
}

// usable tells whether the target may be called now, and if not why.
func (m *member) usable(now time.Time) (bool, string) {
	left, why := m.left(now)
	switch {
	case left > 0:
		return false, why
	case m.state() != gobreaker.StateOpen:
		return true, ""
	case m.slow.Load():
		return false, "it did not answer in time; tried again within 30 s"
	}
	return false, "its breaker is open after faults of its own; tried again within 30 s"
}

// onTrial tells whether the next call decides if the target is well again.
func (m *member) onTrial() bool { return m.state() == gobreaker.StateHalfOpen }

// limit is how long one attempt may take while others are left: by what is
// known of the target, else what the policy allows for one not known.
func (m *member) limit(allowed time.Duration) time.Duration {
	if d, ok := m.typical(); ok {
		return max(allowed/2, 4*d)
	}
	return allowed
}

// typical is how long the target needs for an answer; ok is false when that
// is not known.
func (m *member) typical() (d time.Duration, ok bool) { return m.figures.P95() }

// enough is the time within which a target must answer: less says nothing of
// it, unless the policy allows no more.
func (m *member) enough(allowed time.Duration) time.Duration {
	if d, ok := m.typical(); ok {
		return max(2*d, 250*time.Millisecond)
	}
	return min(allowed, leastPatience)
}

// manyWaiting is how many calls may wait for a target that never answered yet.
const manyWaiting = 4

// doubtful tells whether the target seems to hang, before any call has timed
// out: calls wait for one that is not known yet, or longer than for one that
// is. Others go first meanwhile.
func (m *member) doubtful(now time.Time) bool {
	n, longest := m.silent.waiting(now)
	if n == 0 {
		return false
	}
	if d, ok := m.typical(); ok {
		return longest > max(time.Second, 4*d)
	}
	return n >= manyWaiting
}

// unanswered is the calls a target has not begun to answer. The zero value is
// ready.
type unanswered struct {
	mu     sync.Mutex // guards starts
	starts []time.Time
}

// add counts a call.
func (s *unanswered) add(start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = append(s.starts, start)
}

// begun takes a call out again that was added with that start. Which of those
// that started at one time makes no difference.
func (s *unanswered) begun(start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, last := slices.Index(s.starts, start), len(s.starts)-1
	s.starts[i] = s.starts[last]
	s.starts = s.starts[:last]
}

// waiting is how many calls wait, and how long the oldest has.
func (s *unanswered) waiting(now time.Time) (n int, longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, start := range s.starts {
		longest = max(longest, now.Sub(start))
	}
	return len(s.starts), longest
}
