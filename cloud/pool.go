package cloud

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/h1"
	"nearside/agent/openai/rolling"
	"nearside/cloud/ways"
)

// Target is one API of the pool, as configured.
type Target struct {
	Name     string            // cloud/NAME
	Base     string            // base URL, such as https://api.example/v1
	Models   map[string]string // the target's model by service
	APIs     map[string]API    // where a service is, for a target that is no model; nil for others
	Services []string
	Header   map[string]string // sent with every call to an API
	KeyIn    string            // the header an API wants its key in; "" is a bearer token
	Context  int               // tokens; 0 is not known
	Keyed    bool              // it needs a key, see SetKey; until then it is left alone
	Price    *Price
	Weight   int // its share of the turns where policy balances by weight; 0 is 1
}

// API is where a service is, and how it is asked.
type API struct{ Method, Path string }

// Price is in USD per million tokens.
type Price struct{ Input, Output float64 }

// Options say which targets there are.
type Options struct {
	Targets []Target
	Changed func() // called when a breaker or the network changed; must not wait; nil is none
	Log     *slog.Logger
	Via     http.RoundTripper // how targets are reached; nil is over the network
	Heard   func(time.Time)   // told now and then of the time by a server that proved who it is; must not wait; nil is not told
}

// Pool asks cloud targets. Its methods may be called from any goroutine.
type Pool struct {
	roster    atomic.Pointer[roster]
	reloading sync.Mutex // one Reload at a time
	http      *h1.Transport
	via       http.RoundTripper // http, or what the options said
	changed   func()
	net       *ways.Net
	turn      int // of the far target that is probed next; Run's alone
}

// New makes a pool. Nothing is sent before the first call.
func New(o Options) *Pool {
	p := &Pool{via: o.Via, changed: o.Changed}
	p.http = newTransport(func() bool { return p.Network().Lost() })
	if p.via == nil {
		p.via = p.http
	}
	if o.Heard != nil {
		p.via = &dated{RoundTripper: p.via, heard: o.Heard}
	}
	if p.changed == nil {
		p.changed = func() {}
	}
	p.net = ways.New(o.Log, p.changed)
	order := make([]*member, 0, len(o.Targets))
	for _, t := range o.Targets {
		order = append(order, newMember(t, p.via, p.changed))
	}
	p.roster.Store((&roster{}).next(order, time.Now()))
	return p
}

// Chat asks the call's targets in their order until one begins well. Another
// target goes before a second try of the same; when all failed in a way that a
// retry can mend and time is left, they are tried once more after a pause with
// full jitter, or after what a Retry-After said.
func (p *Pool) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	end := time.Now().Add(call.Budget)
	reply, err := p.round(ctx, call, end)
	if err != nil && !call.Once {
		return p.retry(ctx, call, end, err)
	}
	return reply, err
}

// retry is what follows a round that failed.
func (p *Pool) retry(ctx context.Context, call openai.Call, end time.Time, failed error) (*openai.Reply, error) {
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 250 * time.Millisecond, RandomizationFactor: 1, Multiplier: 2, MaxInterval: 2 * time.Second,
	}
	last, first := failed, true
	reply, err := backoff.Retry(ctx, func() (*openai.Reply, error) {
		if first { // it was run before
			first = false
			return nil, p.again(call, failed, end)
		}
		reply, err := p.round(ctx, call, end)
		if err != nil && !errors.Is(err, fault.ErrDown) {
			last = err
		}
		return reply, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(2), backoff.WithMaxElapsedTime(time.Until(end)))
	if err != nil {
		return nil, last
	}
	return reply, nil
}

// longestPause is how long a Retry-After may hold up the caller.
const longestPause = 5 * time.Second

// again says whether another round makes sense, in the words of backoff.
func (p *Pool) again(call openai.Call, err error, end time.Time) error {
	left := time.Until(end)
	if left < time.Second || !slices.ContainsFunc(call.Targets, p.reaches) {
		return backoff.Permanent(err)
	}
	var e *fault.Error
	if errors.As(err, &e) {
		return retriable(e, left)
	}
	if errors.Is(err, fault.ErrTimeout) || errors.Is(err, fault.ErrUnfit) || !ownFault(err) || len(p.callable(nil, call.Targets, time.Now())) == 0 {
		return backoff.Permanent(err)
	}
	return err
}

// retriable says whether a status may be another when the time left is used
// for a second try.
func retriable(e *fault.Error, left time.Duration) error {
	pauses := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	switch {
	case pauses && e.RetryAfter > 0 && e.RetryAfter < min(longestPause, left-time.Second):
		return &backoff.RetryAfterError{Duration: e.RetryAfter}
	case pauses && e.RetryAfter > 0, e.Status < 500 && e.Status != http.StatusRequestTimeout:
		return backoff.Permanent(e)
	}
	return e
}

// reaches tells whether there may be a way to the target of that name.
func (p *Pool) reaches(name string) bool {
	m := p.member(name)
	return m != nil && !p.cutOff(m)
}

// callable adds to out the members of the names that may be called now.
func (p *Pool) callable(out []*member, names []string, now time.Time) []*member {
	all := p.roster.Load()
	for _, n := range names {
		if m := all.member(n); m != nil {
			if ok, _ := m.usable(now); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// Status is one target as it stands.
type Status struct {
	*Target // of the config: it never changes
	Near    bool
	Usable  bool
	Why     string
	Pause   time.Duration // that it asked for, with fewer calls, and that is not over
	Breaker string        // closed, open, half_open
	rolling.Summary
}

// SetKey gives a target its key. With an error, the target is left alone and
// says why. It may be called at any time.
func (p *Pool) SetKey(target, key string, err error) {
	if m := p.member(target); m != nil {
		m.setKey(key, err)
	}
}

// Status lists the targets in the order of the config.
func (p *Pool) Status() []Status { return p.AppendStatus(nil) }

// AppendStatus is Status for those who bring the room: it appends to all.
func (p *Pool) AppendStatus(all []Status) []Status {
	now := time.Now()
	order := p.order()
	n := len(all)
	all = slices.Grow(all, len(order))[:n+len(order)]
	for i, m := range order {
		s := &all[n+i]
		s.Target, s.Near, s.Summary = &m.Target, p.net.Near(m.place), m.figures.Summary()
		s.Breaker = words[m.state()]
		s.Usable, s.Why = m.usable(now)
		s.Pause = 0
		if left, why := m.left(now); why == askedForLess {
			s.Pause = max(0, left)
		}
	}
	return all
}

// words are the breaker's states, for those who look.
var words = [...]string{gobreaker.StateClosed: "closed", gobreaker.StateHalfOpen: "half_open", gobreaker.StateOpen: "open"}
