package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/written"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/server/signals"
	"nearside/cloud"
	"nearside/local"
	"nearside/policy"
)

// air is what a call to the cloud meets.
type air string

const (
	good   air = "good"    // an answer within half a second
	poor   air = "poor"    // 4 s until a connection stands
	silent air = "silent"  // nobody
	signIn air = "sign in" // a portal
)

// car is a daemon in virtual time: the real agent, policy, pool and senses,
// around a model and an air that do as told.
type car struct {
	*daemon
	t    *testing.T
	mem  *glovebox
	stop func()

	mu  sync.Mutex // guards air
	air air
}

// glovebox keeps answers.
type glovebox struct {
	mu      sync.Mutex // guards all below
	entries map[string][]byte
	at      map[string]time.Time
}

func (g *glovebox) Get(_ context.Context, key string) ([]byte, time.Time, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, ok := g.entries[key]
	return v, g.at[key], ok, nil
}

func (g *glovebox) Put(key string, value []byte, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.entries[key], g.at[key] = value, at
}

// model is the engine: 0.7 s for an answer.
type model struct{}

const said = `{"id":"1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}`

func (model) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	start := time.Now()
	wait(ctx, 700*time.Millisecond)
	a, err := completion.Parse([]byte(said))
	call.Tried(openai.Attempt{Target: call.Targets[0], Start: start, Took: time.Since(start), Result: fault.Result(err), Err: err})
	return &openai.Reply{Target: call.Targets[0], Body: []byte(said), Answer: a}, err
}

// Confidence is low where the question has the word for it.
func (model) Confidence(question string, _ []completion.Token) (float64, bool) {
	if strings.Contains(question, "emperor") {
		return 0.05, true
	}
	return 0.9, true
}

// wait lets virtual time pass; it is false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// RoundTrip makes the car the transport of its pool.
func (c *car) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	met := c.air
	c.mu.Unlock()
	setup := 100 * time.Millisecond
	switch met {
	case silent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case signIn:
		shown := []*x509.Certificate{{DNSNames: []string{"portal.example"}}}
		return nil, &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: x509.HostnameError{}}
	case poor:
		setup = 4 * time.Second
	}
	if !wait(r.Context(), setup) {
		return nil, r.Context().Err()
	}
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	if !wait(r.Context(), 400*time.Millisecond) {
		return nil, r.Context().Err()
	}
	head := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: 200, Header: head, Body: io.NopCloser(strings.NewReader(said)), Request: r}, nil
}

// newCar is a car with a model and two cloud targets, cold and dark.
func newCar(t *testing.T) *car {
	log := slog.New(slog.DiscardHandler)
	c := &car{t: t, air: good, mem: &glovebox{entries: map[string][]byte{}, at: map[string]time.Time{}}}
	doc, digest, _ := written.DefaultPolicy()
	c.daemon = &daemon{started: time.Now(), local: local.New(local.Options{Log: log})}
	c.daemon.inForce.Store(&inForce{config: &config.Config{}, laid: &config.Config{}})
	o := cloud.Options{Log: log, Via: c}
	for _, name := range []string{"first", "second"} {
		o.Targets = append(o.Targets, cloud.Target{
			Name: "cloud/" + name, Base: "https://" + name + ".example/v1", Services: []string{"chat"}, Models: map[string]string{"chat": "m"},
		})
	}
	c.cloud = cloud.New(o)
	c.agent = agent.New(agent.Parts{Local: model{}, Cloud: c.cloud, Scorer: model{}, Cache: c.mem, Signals: c.view}, agent.Settings{
		Policy: &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"},
		Keep:   agent.Keep{Fresh: time.Hour, Stale: 7 * 24 * time.Hour},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.cloud.Run(ctx) }()
	c.stop = func() { cancel(); <-ended }
	return c
}

// view is the daemon's, with the model beside its targets.
func (c *car) view() policy.Signals {
	s := c.signals()
	ms := 700.0
	s.Targets = append([]policy.Target{{
		Name: "local/tiny", Services: []string{"chat"}, Near: true, Usable: true, Blind: true, Context: 4096, P50MS: &ms, P95MS: &ms,
	}}, s.Targets...)
	return s
}

func (c *car) meets(a air) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.air = a
}

// link has the car on the network of that prefix, "" for none.
func (c *car) link(prefix string) {
	if prefix == "" {
		c.cloud.SetLink(true, false, nil)
		return
	}
	c.cloud.SetLink(true, true, []netip.Prefix{netip.MustParsePrefix(prefix)})
}

// push has the host app say something that holds for a while.
func (c *car) push(name string, v any) {
	c.Push(map[string]signals.Pushed{name: {Value: v, TTL: time.Hour}})
}

// ask is one question; the route and the reason are the answer's.
func (c *car) ask(q question) (route, reason string) {
	request, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"` + q.text + `"}]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	result, err := c.agent.Handle(c.t.Context(), agent.Input{
		Request: request, Mode: q.mode, Privacy: q.privacy, Deadline: 30 * time.Second,
	})
	status := http.StatusOK
	if err != nil {
		status = http.StatusServiceUnavailable
		if !errors.Is(err, agent.ErrOffline) && !errors.Is(err, agent.ErrPrivate) && !errors.Is(err, agent.ErrUpstream) && !errors.Is(err, agent.ErrDeadline) {
			c.t.Errorf("%s: %v", q.text, err)
		}
	}
	result.Close(agent.Finish{Status: status})
	return result.Route, result.Reason
}
