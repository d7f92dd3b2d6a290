package cloud

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"nearside/agent/openai"
)

// Target is one API of the pool, as configured.
type Target struct {
	Name     string            // cloud/NAME
	Base     string            // base URL, such as https://api.example/v1
	Models   map[string]string // the target's model by service
	Services []string
	Context  int  // tokens; 0 is not known
	Keyed    bool // it needs a key, see SetKey; until then it is left alone
	Price    *Price
}

// Price is in USD per million tokens.
type Price struct{ Input, Output float64 }

// Options say which targets there are.
type Options struct {
	Targets []Target
	Log     *slog.Logger
}

// Pool asks cloud targets. Its methods may be called from any goroutine.
type Pool struct {
	roster    atomic.Pointer[roster]
	reloading sync.Mutex // one Reload at a time
	http      *http.Transport
	net       network
	turn      int // of the far target that is probed next; Run's alone
}

// New makes a pool. Nothing is sent before the first call.
func New(o Options) *Pool {
	p := &Pool{http: newTransport()}
	p.net.init(o.Log)
	order := make([]*member, 0, len(o.Targets))
	for _, t := range o.Targets {
		order = append(order, newMember(t, p.http))
	}
	p.roster.Store((&roster{}).next(order, time.Now()))
	return p
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second} // finds a connection that lost its way
	t.TLSHandshakeTimeout = 10 * time.Second
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// Chat asks the call's targets in their order until one begins well. Another
// target goes before a second try of the same; when all failed in a way that a
// retry can mend and time is left, they are tried once more after a pause with
// full jitter, or after what a Retry-After said.
func (p *Pool) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	end := time.Now().Add(call.Budget)
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 250 * time.Millisecond, RandomizationFactor: 1, Multiplier: 2, MaxInterval: 2 * time.Second,
	}
	var last error
	reply, err := backoff.Retry(ctx, func() (*openai.Reply, error) {
		reply, err := p.round(ctx, call, end)
		if err == nil {
			return reply, nil
		}
		if last == nil || !errors.Is(err, openai.ErrDown) {
			last = err
		}
		return nil, p.again(call, err, end)
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(2), backoff.WithMaxElapsedTime(call.Budget))
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
	var e *openai.Error
	if errors.As(err, &e) {
		if e.Status == http.StatusTooManyRequests && e.RetryAfter > 0 && e.RetryAfter < min(longestPause, left-time.Second) {
			return &backoff.RetryAfterError{Duration: e.RetryAfter}
		}
		if e.Status < 500 && e.Status != http.StatusRequestTimeout {
			return backoff.Permanent(err)
		}
		return err
	}
	if errors.Is(err, openai.ErrTimeout) || !ownFault(err) || len(p.callable(call.Targets)) == 0 {
		return backoff.Permanent(err)
	}
	return err
}

// reaches tells whether there may be a way to the target of that name.
func (p *Pool) reaches(name string) bool {
	m := p.member(name)
	return m != nil && !p.cutOff(m)
}

// callable are the members of the names that may be called now.
func (p *Pool) callable(names []string) []*member {
	var out []*member
	now := time.Now()
	for _, n := range names {
		if m := p.member(n); m != nil {
			if ok, _ := m.usable(now); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// Run probes for a network that was lost, until ctx ends.
func (p *Pool) Run(ctx context.Context) error {
	defer p.http.CloseIdleConnections()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.probe(ctx)
		}
	}
}

// probe asks a far target for a sign of life when calls say that the network
// is gone while the link is up; the next one takes its turn the next time.
func (p *Pool) probe(ctx context.Context) {
	far := slices.DeleteFunc(slices.Clone(p.order()), p.net.near)
	if !p.net.wantsProbe() || len(far) == 0 {
		return
	}
	m := far[p.turn%len(far)]
	p.turn++
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p.http.CloseIdleConnections() // what stood before the network was lost leads nowhere
	met := &contact{}
	if err := m.client().Ping(met.trace(ctx)); outage(err, met.stood.Load()) == answered {
		p.net.hear("probe")
	}
}

// saw takes in what the end of a call says of the network. Near targets say
// nothing of it.
func (p *Pool) saw(m *member, err error, stood bool) {
	if p.net.near(m) || errors.Is(err, openai.ErrDown) {
		return
	}
	switch what := outage(err, stood); what {
	case nothing:
	case answered:
		p.net.hear("calls")
	default:
		now := time.Now()
		p.net.miss(m, what, slices.DeleteFunc(slices.Clone(p.order()), func(o *member) bool {
			ok, _ := o.usable(now)
			return !ok || o == m || p.net.near(o)
		}))
	}
}

// cutOff tells whether there is known to be no way to the member.
func (p *Pool) cutOff(m *member) bool {
	state, _, _ := p.net.get()
	return state == Offline && !p.net.near(m)
}

// SetLink tells what the kernel says of the links.
func (p *Pool) SetLink(known, up bool, onLink []netip.Prefix) {
	p.net.setLink(known, up, onLink)
	if known && !up {
		p.http.CloseIdleConnections() // they lead nowhere now
	}
}

// Network is what is known of the way out, since when and from what.
func (p *Pool) Network() (state string, since time.Time, source string) { return p.net.get() }

// Status is one target as it stands.
type Status struct {
	Target
	Near    bool
	Usable  bool
	Why     string
	Breaker string // closed, open, half_open
	openai.Summary
}

// SetKey gives a target its key. With an error, the target is left alone and
// says why. It may be called at any time.
func (p *Pool) SetKey(target, key string, err error) {
	if m := p.member(target); m != nil {
		m.setKey(key, err)
	}
}

// Status lists the targets in the order of the config.
func (p *Pool) Status() []Status {
	now := time.Now()
	words := map[gobreaker.State]string{
		gobreaker.StateClosed: "closed", gobreaker.StateOpen: "open", gobreaker.StateHalfOpen: "half_open",
	}
	order := p.order()
	out := make([]Status, 0, len(order))
	for _, m := range order {
		s := Status{Target: m.Target, Near: p.net.near(m), Breaker: words[m.breaker.State()], Summary: m.figures.Summary()}
		s.Usable, s.Why = m.usable(now)
		out = append(out, s)
	}
	return out
}
