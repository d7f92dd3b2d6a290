package steer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// issued is before any test begins: a bubble of synctest begins in 2000.
var issued = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)

// office signs: two keys of each root, made of a seed so that tests repeat.
type office struct {
	keys []*seal.Private
}

func newOffice(tb testing.TB, n int) office {
	tb.Helper()
	var o office
	for i := range n {
		k, err := seal.Generate(rand.NewChaCha8([32]byte{byte(i + 1)}))
		if err != nil {
			tb.Fatal(err)
		}
		o.keys = append(o.keys, k)
	}
	return o
}

func must[T any](tb testing.TB) func(T, error) T {
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// root i is of keys i and i+1, both needed, and signed by those and, from the
// second on, by those of the root before.
func (o office) root(tb testing.TB, i int) []byte {
	tb.Helper()
	r := seal.Root{Version: int64(i + 1), Threshold: 2, Tenant: "acme", Keys: []seal.Key{o.keys[i].Key(), o.keys[i+1].Key()}}
	signers := []seal.Signer{o.keys[i], o.keys[i+1]}
	if i > 0 {
		signers = append(signers, o.keys[i-1])
	}
	return must[[]byte](tb)(seal.Sign(seal.RootType, must[[]byte](tb)(r.Encode()), signers...))
}

// policy is signed by the keys of root i.
func (o office) policy(tb testing.TB, i int, version int64, body string, change ...func(*seal.Payload)) []byte {
	tb.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: issued, Kind: seal.KindPolicy, Body: body}
	for _, c := range change {
		c(&p)
	}
	return must[[]byte](tb)(seal.Sign(seal.PolicyType, must[[]byte](tb)(p.Encode()), o.keys[i], o.keys[i+1]))
}

func gate(p *seal.Payload) { p.Kind = seal.KindGate }

func (o office) command(tb testing.TB, i int, id, do string) []byte {
	tb.Helper()
	c := seal.Command{Tenant: "acme", ID: id, Do: do, Issued: issued, NotAfter: issued.Add(20 * 24 * time.Hour)}
	return must[[]byte](tb)(seal.Sign(seal.CommandType, must[[]byte](tb)(c.Encode()), o.keys[i], o.keys[i+1]))
}

// device is a subject: what is in force decides what comes of the one ask in
// each second. Bodies that begin with "bad" do harm, with "invalid" are not
// valid, with "stuck" cannot be put in force.
type device struct {
	mu      sync.Mutex
	body    string // "" is its own
	gate    string
	forced  []string // every body that was put in force
	figures trial.Figures
	at      time.Time
	idle    bool // nobody asks
	valid   func(ctx context.Context, body string) error
}

func newDevice() *device { return &device{at: time.Now()} }

func (d *device) Validate(ctx context.Context, p *seal.Payload) error {
	if d.valid != nil {
		if err := d.valid(ctx, p.Body); err != nil {
			return err
		}
	}
	if strings.HasPrefix(p.Body, "invalid") {
		return &seal.Refusal{Reason: trial.FailsOwnTests, Detail: "case 1"}
	}
	return nil
}

func (d *device) Swap(_ context.Context, p *seal.Payload) error {
	d.advance()
	d.mu.Lock()
	defer d.mu.Unlock()
	if p == nil {
		d.body = ""
	} else if strings.HasPrefix(p.Body, "stuck") {
		return errors.New("it does not fit")
	} else if strings.HasPrefix(p.Body, "panics") {
		panic("halfway")
	} else {
		d.body = p.Body
	}
	d.forced = append(d.forced, d.body)
	return nil
}

func (d *device) Figures() trial.Figures {
	d.advance()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.figures
}

func (d *device) inForce() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.body
}

// advance lives the seconds since it was last called.
func (d *device) advance() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ; time.Since(d.at) >= time.Second; d.at = d.at.Add(time.Second) {
		if d.idle {
			continue
		}
		d.figures.Begun++
		if strings.HasPrefix(d.body, "bad hangs") {
			continue
		}
		o := trial.Outcome{Local: true, MS: 300}
		switch {
		case strings.HasPrefix(d.body, "bad denies"):
			o = trial.Outcome{Refused: true}
		case strings.HasPrefix(d.body, "bad is dear"):
			o.CostUSD = 0.05
		case strings.HasPrefix(d.body, "bad is slow"):
			o.MS = 5000
		case strings.HasPrefix(d.body, "bad is poor"):
			o.Poor = true
		case strings.HasPrefix(d.body, "bad"):
			o.Failed = true
		}
		d.figures.Add(o)
	}
}

var errNoSpace = errors.New("no space left on device")

// gates are the device's documents of another kind.
type gates struct{ d *device }

func (g gates) Validate(_ context.Context, p *seal.Payload) error {
	return g.d.Validate(context.Background(), p)
}

func (g gates) Apply(_ context.Context, p *seal.Payload) error {
	if p != nil && strings.HasPrefix(p.Body, "stuck") {
		return errors.New("it does not fit")
	}
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	g.d.gate = ""
	if p != nil {
		g.d.gate = p.Body
	}
	if strings.HasPrefix(g.d.gate, "panics") {
		panic("halfway")
	}
	return nil
}

// life is one process on a device.
type life struct {
	*steer.Steer
	d      *device
	cancel context.CancelFunc
	done   chan error
	mu     sync.Mutex
	events []news.Event
}

// live starts a process; end ends it. Options may be changed first.
func live(tb testing.TB, o office, k steer.Keeper, change ...func(*steer.Options)) *life {
	tb.Helper()
	l := &life{d: newDevice(), done: make(chan error, 1)}
	opt := steer.Options{
		Device: seal.Device{Tenant: "acme", Channel: "stable", ID: "dev-1", Ring: "canary", Agent: "1.4.0"},
		Root:   o.root(tb, 0), Keeper: k, Subject: l.d, Kinds: map[string]steer.Kind{seal.KindGate: gates{l.d}},
		Clock: func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Build: issued} },
		Tell: func(e news.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		},
	}
	for _, c := range change {
		c(&opt)
	}
	l.Steer = must[*steer.Steer](tb)(steer.New(opt))
	ctx, cancel := context.WithCancel(tb.Context())
	l.cancel = cancel
	l.Begin(ctx)
	go func() { l.done <- l.Run(ctx) }()
	return l
}

func (l *life) end(tb testing.TB) {
	tb.Helper()
	l.cancel()
	if err := <-l.done; err != nil {
		tb.Error(err)
	}
}

// told are the kinds of events so far, in order.
func (l *life) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.events {
		s := e.Kind
		if e.Reason != "" {
			s += ":" + e.Reason
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func (l *life) offer(envelope []byte) (string, error) {
	r, err := l.Offer(context.Background(), envelope, "test")
	return fmt.Sprintf("%s %d %s", r.Kind, r.Version, r.State), err
}

// takes offers what must be taken.
func (l *life) takes(tb testing.TB, envelope []byte) {
	tb.Helper()
	if _, err := l.offer(envelope); err != nil {
		tb.Fatalf("offer: %v", err)
	}
}

// refuses offers what must be refused, for that reason, and leave everything as
// it was.
func (l *life) refuses(tb testing.TB, envelope []byte, reason string) {
	tb.Helper()
	body, version := l.d.inForce(), l.Status().Version
	if _, err := l.offer(envelope); seal.Reason(err) != reason {
		tb.Errorf("offer: %v, want refused as %s", err, reason)
	}
	if l.d.inForce() != body || l.Status().Version != version {
		tb.Errorf("refused as %s, and in force is %q version %d instead of %q version %d", reason, l.d.inForce(), l.Status().Version, body, version)
	}
}

// is checks what is in force, and that status and device agree.
func (l *life) is(tb testing.TB, state, body string, version int64) {
	tb.Helper()
	synctest.Wait()
	st := l.Status()
	if st.State != state || l.d.inForce() != body || st.Version != version {
		tb.Errorf("%s, version %d, %q in force; want %s, version %d, %q (%s)", st.State, st.Version, l.d.inForce(), state, version, body, l.told())
	}
}

func answer(text string) steer.Obey {
	return func(context.Context, map[string]string) (json.RawMessage, error) {
		return json.RawMessage(text), nil
	}
}
