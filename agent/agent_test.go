package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/decision"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/policy"
	"nearside/policy/decide"
)

// answerer is a fake of the engine or the pool.
type answerer func(ctx context.Context, call openai.Call) (*openai.Reply, error)

func (f answerer) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	reply, err := f(ctx, call)
	call.Tried(openai.Attempt{Target: call.Targets[0], Start: time.Now(), Result: fault.Result(err), Err: err})
	return reply, err
}

// says answers with a text, plain or streamed, in the words of the wire.
func says(text string) answerer {
	return func(_ context.Context, call openai.Call) (*openai.Reply, error) {
		m, _ := json.Marshal(text)
		body := []byte(`{"id":"c1","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":` + string(m) +
			`},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`)
		a, err := completion.Parse(body)
		if errors.Is(err, fault.ErrEmpty) {
			err = nil // as the engine does
		}
		reply := &openai.Reply{Target: call.Targets[0], Body: body, Answer: a}
		if err == nil && call.Request.Stream {
			reply.Body = nil
			reply.Stream, err = completion.Replay(body, call.Request.IncludeUsage)
			reply.Answer = reply.Stream.Answer
		}
		return reply, err
	}
}

func fails(err error) answerer {
	return func(context.Context, openai.Call) (*openai.Reply, error) { return nil, err }
}

// memory is a cache and a recorder.
type memory struct {
	mu      sync.Mutex // guards all below
	entries map[string][]byte
	at      time.Time
	records []decision.Record
}

func (m *memory) Get(_ context.Context, key string) ([]byte, time.Time, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.entries[key]
	return v, m.at, ok, nil
}

func (m *memory) Put(key string, value []byte, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[key], m.at = value, at
}

func (m *memory) Record(_ string, _ time.Time, record func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var r decision.Record
	if err := json.Unmarshal(record(nil), &r); err != nil {
		panic(err)
	}
	m.records = append(m.records, r)
}

func (m *memory) last() decision.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[len(m.records)-1]
}

// surety scores every answer alike.
type surety float64

func (s surety) Confidence(string, []completion.Token) (float64, bool) {
	return float64(s), s != unknown
}

// unknown is the surety of a scorer that can tell nothing.
const unknown surety = -1

// world is an agent with fakes all round.
type world struct {
	local, cloud answerer
	sure         surety
	network      string
	mem          *memory
	recorder     agent.Recorder // mem, when it is nil
	signals      func(*policy.Signals)
	policy       func(*policy.Document) // changes the built-in one
}

func newWorld() *world {
	return &world{
		local: says("near"), cloud: says("far"), sure: 0.9, network: "online",
		mem: &memory{entries: map[string][]byte{}},
	}
}

func (w *world) agent() *agent.Agent {
	doc, digest, _ := written.DefaultPolicy()
	if w.policy != nil {
		w.policy(doc)
	}
	recorder := w.recorder
	if recorder == nil {
		recorder = w.mem
	}
	return agent.New(agent.Parts{
		Local: w.local, Cloud: w.cloud, Scorer: w.sure, Cache: w.mem, Recorder: recorder,
		Signals: func() policy.Signals {
			s := policy.Signals{Network: w.network, Targets: []policy.Target{
				{Name: "local/tiny", Services: []string{"chat"}, Near: true, Usable: true, Blind: true},
				{Name: "cloud/big", Services: []string{"chat"}, Usable: true},
			}}
			if w.signals != nil {
				w.signals(&s)
			}
			return s
		},
	}, agent.Settings{
		Policy: &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"},
		Keep:   agent.Keep{Fresh: time.Hour, Stale: 100 * time.Hour},
	})
}

// ask handles one request to its end and returns what its headers would say.
func (w *world) ask(t *testing.T, body string, more ...func(*agent.Input)) (agent.Head, error) {
	t.Helper()
	req, err := openai.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	in := agent.Input{Request: req}
	for _, f := range more {
		f(&in)
	}
	result, err := w.agent().Handle(t.Context(), in)
	end := agent.Finish{Status: 200}
	if err != nil {
		end.Status = 500
	}
	for err == nil && result.Stream != nil {
		if _, e := result.Stream.Next(); e != nil {
			break
		}
	}
	result.Close(end)
	return result.Head, err
}

const (
	plain    = `{"messages":[{"role":"user","content":"Who wrote Faust?"}],"temperature":0}`
	streamed = `{"messages":[{"role":"user","content":"Who wrote Faust?"}],"temperature":0,"stream":true}`
	mathy    = `{"messages":[{"role":"user","content":"What is 847 times 293?"}]}`
)

func TestRoad(t *testing.T) {
	private := func(in *agent.Input) { in.Privacy = policy.Private }
	mode := func(m string) func(*agent.Input) { return func(in *agent.Input) { in.Mode = m } }
	down := fails(fault.ErrDown)
	broken := fails(&fault.Error{Status: 503})
	for _, c := range []struct {
		name   string
		change func(*world)
		body   string
		more   []func(*agent.Input)
		route  string
		reason string
		err    error
	}{
		{name: "near first", body: plain, route: "local", reason: "local_first"},
		{name: "near first, streamed", body: streamed, route: "local", reason: "local_first"},
		{name: "unsure", change: func(w *world) { w.sure = 0.1 }, body: plain, route: "cloud", reason: "local_unsure"},
		{name: "unsure, streamed", change: func(w *world) { w.sure = 0.1 }, body: streamed, route: "cloud", reason: "local_unsure"},
		{name: "refusing", change: func(w *world) { w.local = says("I'm sorry, but I can't say.") }, body: plain, route: "cloud", reason: "local_unsure"},
		{name: "engine down", change: func(w *world) { w.local = down }, body: plain, route: "cloud", reason: "local_unavailable"},
		{name: "math", body: mathy, route: "cloud", reason: "cloud_first"},
		{name: "math, cloud broken", change: func(w *world) { w.cloud = broken }, body: mathy, route: "local", reason: "cloud_unavailable"},
		{name: "unsure, cloud broken", change: func(w *world) { w.sure, w.cloud = 0.1, broken }, body: plain, route: "local", reason: "unverified"},
		{name: "unsure, offline", change: func(w *world) { w.sure, w.network = 0.1, "offline" }, body: plain, route: "local", reason: "offline"},
		{name: "local only", change: func(w *world) { w.sure = 0.1 }, body: plain, more: []func(*agent.Input){mode("local")}, route: "local", reason: "forced_mode"},
		{name: "cloud only", body: plain, more: []func(*agent.Input){mode("cloud")}, route: "cloud", reason: "forced_mode"},
		{name: "private and unsure", change: func(w *world) { w.sure = 0.1 }, body: plain, more: []func(*agent.Input){private}, route: "local", reason: "private"},
		{name: "private, engine down", change: func(w *world) { w.local = down }, body: plain, more: []func(*agent.Input){private}, route: "none", reason: "private", err: agent.ErrPrivate},
		{name: "private, engine busy", change: func(w *world) { w.local = fails(fault.ErrBusy) }, body: plain, more: []func(*agent.Input){private}, route: "none", reason: "private", err: agent.ErrBusy},
		{name: "private, too slow", change: func(w *world) { w.local = fails(fault.ErrTimeout) }, body: plain, more: []func(*agent.Input){private}, route: "none", reason: "private", err: agent.ErrDeadline},
		{name: "blank", change: func(w *world) { w.local = says(" \n") }, body: plain, route: "cloud", reason: "local_unsure"},
		{name: "private to the cloud", body: plain, more: []func(*agent.Input){private, mode("cloud")}, route: "none", reason: "private", err: agent.ErrPrivate},
		{name: "cloud only, offline", change: func(w *world) { w.network = "offline" }, body: plain, more: []func(*agent.Input){mode("cloud")}, route: "none", reason: "forced_mode", err: agent.ErrOffline},
		{name: "all broken", change: func(w *world) { w.local, w.cloud = broken, broken }, body: plain, route: "none", reason: "no_route", err: agent.ErrUpstream},
		{name: "all late", change: func(w *world) { w.local, w.cloud = fails(fault.ErrTimeout), fails(fault.ErrTimeout) }, body: plain, route: "none", reason: "deadline", err: agent.ErrDeadline},
		{name: "only kept", body: plain, more: []func(*agent.Input){func(in *agent.Input) { in.Cache.OnlyIfCached = true }}, route: "none", reason: "only_if_cached", err: agent.ErrNotKept},
		{name: "unknown model", body: `{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}`, route: "none", reason: "no_route", err: agent.ErrModel},
		{name: "mode against target", body: `{"model":"local/tiny","messages":[{"role":"user","content":"x"}]}`, more: []func(*agent.Input){mode("cloud")}, route: "none", reason: "no_route", err: agent.ErrConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			if c.change != nil {
				c.change(w)
			}
			head, err := w.ask(t, c.body, c.more...)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if head.Route != c.route || head.Reason != c.reason {
				t.Errorf("got %s %s, want %s %s", head.Route, head.Reason, c.route, c.reason)
			}
			if rec := w.mem.last(); rec.Outcome.Route != c.route || rec.Outcome.Reason != c.reason {
				t.Errorf("recorded %+v", rec.Outcome)
			}
		})
	}
}

func TestUpstreamSaysTheRequestIsWrong(t *testing.T) {
	w := newWorld()
	w.cloud = fails(&fault.Error{Status: 400, Message: "no"})
	_, err := w.ask(t, mathy)
	var e *fault.Error
	if !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("got %v, want the target's 400", err)
	}
	if o := w.mem.last(); o.Outcome.Reason != "cloud_first" || len(o.Attempts) != 1 {
		t.Errorf("recorded %+v", o.Outcome)
	}
}

// TestLatestFaultCounts looks at what a caller is told when several steps failed.
func TestLatestFaultCounts(t *testing.T) {
	status := func(n int) answerer { return fails(&fault.Error{Status: n}) }
	for _, c := range []struct {
		name         string
		local, cloud answerer
		want         int // status of a target, 0 is ErrUpstream
	}{
		{"engine broken, cloud wants fewer calls", status(500), status(429), 429},
		{"engine finds it wrong, cloud broken", status(400), status(503), 0},
		{"engine finds it wrong, cloud never asked", status(400), fails(fault.ErrDown), 400},
		{"key refused", status(500), status(401), 0},
	} {
		w := newWorld()
		w.local, w.cloud = c.local, c.cloud
		_, err := w.ask(t, plain)
		var e *fault.Error
		if c.want == 0 && !errors.Is(err, agent.ErrUpstream) || c.want != 0 && (!errors.As(err, &e) || e.Status != c.want) {
			t.Errorf("%s: got %v, want %d", c.name, err, c.want)
		}
	}
}

// TestPoorAnswerIsGivenBack leaves while the cloud is asked: the stream of the
// poor local answer must end, or its engine is never free again.
func TestPoorAnswerIsGivenBack(t *testing.T) {
	for _, leave := range []bool{true, false} {
		w := newWorld()
		w.sure = 0.1
		closed := 0
		w.local = func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
			reply, err := says("near")(ctx, call)
			reply.Stream.OnClose(func() { closed++ })
			return reply, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.cloud = func(_ context.Context, call openai.Call) (*openai.Reply, error) {
			if leave {
				cancel()
				return nil, context.Canceled
			}
			return says("far")(ctx, call)
		}
		req, _ := openai.Decode([]byte(streamed))
		result, err := w.agent().Handle(ctx, agent.Input{Request: req})
		result.Close(agent.Finish{Status: 200, Err: err})
		cancel()
		if closed != 1 {
			t.Errorf("caller left %t: the poor stream was closed %d times", leave, closed)
		}
	}
}

func TestWrongClock(t *testing.T) {
	w := newWorld()
	if _, err := w.ask(t, plain); err != nil {
		t.Fatal(err)
	}
	w.mem.at = time.Now().Add(5 * 365 * 24 * time.Hour)
	if head, _ := w.ask(t, plain); head.Route != "local" {
		t.Errorf("an answer from the future was served: %+v", head)
	}
}

// TestAllWantFewerCalls says when to come back, without asking anybody.
func TestAllWantFewerCalls(t *testing.T) {
	w := newWorld()
	w.signals = func(s *policy.Signals) {
		s.Targets = []policy.Target{{Name: "cloud/big", Services: []string{"chat"}, PauseMS: 2500}}
	}
	head, err := w.ask(t, plain)
	var e *fault.Error
	if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != 2500*time.Millisecond || head.Reason != "rate_limited" || head.Attempts != 0 {
		t.Errorf("got %v %+v, want 429 with a pause of 2.5 s", err, head)
	}
}

func TestKeptAnswers(t *testing.T) {
	w := newWorld()
	ask := func(body string, want, cache string, more ...func(*agent.Input)) {
		t.Helper()
		head, _ := w.ask(t, body, more...)
		if head.Route != want || head.Cache != cache {
			t.Errorf("got route %s, cache %s, want %s, %s", head.Route, head.Cache, want, cache)
		}
	}
	noCache := func(in *agent.Input) { in.Cache.NoCache = true }
	noStale := func(in *agent.Input) { in.Cache.MaxStaleS = new(int64) }
	ask(plain, "local", "miss")
	ask(plain, "cache", "hit")
	ask(streamed, "cache", "hit")
	ask(plain, "local", "bypass", noCache)
	ask(strings.Replace(plain, "Faust", "Hamlet", 1), "local", "miss")
	ask(plain, "cloud", "miss", func(in *agent.Input) { in.Mode = policy.Cloud })
	w.mem.at = time.Now().Add(-2 * time.Hour)
	w.local, w.cloud = fails(fault.ErrDown), fails(fault.ErrDown)
	ask(plain, "stale", "stale")
	ask(streamed, "stale", "stale", noCache)
	ask(plain, "none", "miss", noStale)
	ask(plain, "none", "bypass", func(in *agent.Input) { in.Privacy = policy.Private })
	w.mem.at = time.Now().Add(-200 * time.Hour)
	ask(plain, "none", "miss")
}

func TestPrivateLeavesNothing(t *testing.T) {
	w := newWorld()
	const secret = "the safe is behind the clock"
	body := `{"model":"private","temperature":0,"messages":[{"role":"user","content":"` + secret + `"}]}`
	if _, err := w.ask(t, body); err != nil {
		t.Fatal(err)
	}
	if len(w.mem.entries) != 0 {
		t.Error("a private answer was kept")
	}
	text, _ := json.Marshal(w.mem.last())
	for _, word := range []string{"safe", "clock", "near\\\""} {
		if strings.Contains(string(text), word) {
			t.Errorf("the record holds %q: %s", word, text)
		}
	}
}

func TestRecordReplays(t *testing.T) {
	w := newWorld()
	for _, body := range []string{plain, streamed, mathy} {
		if _, err := w.ask(t, body); err != nil {
			t.Fatal(err)
		}
		rec := w.mem.last()
		doc, _, _ := written.DefaultPolicy()
		again, _ := json.Marshal(decide.Plan(doc, &rec.Ask, &rec.Signals))
		was, _ := json.Marshal(rec.Plan)
		if string(again) != string(was) {
			t.Errorf("the record gives another plan:\n got %s\nwant %s", again, was)
		}
	}
}

func TestCallerGone(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.local = func(ctx context.Context, _ openai.Call) (*openai.Reply, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	req, err := openai.Decode([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.agent().Handle(ctx, agent.Input{Request: req})
	result.Close(agent.Finish{Err: err})
	if !errors.Is(err, agent.ErrCallerOff) {
		t.Fatalf("got %v", err)
	}
	if rec := w.mem.last(); rec.Outcome.Status != 0 || len(rec.Attempts) != 1 {
		t.Errorf("recorded %+v", rec.Outcome)
	}
}

func TestExplainCallsNobody(t *testing.T) {
	w := newWorld()
	w.local = func(context.Context, openai.Call) (*openai.Reply, error) { panic("called") }
	req, _ := openai.Decode([]byte(plain))
	e, err := w.agent().Explain(agent.Input{Request: req})
	if err != nil || len(e.Steps) < 3 || e.Steps[1].Target != "local/tiny" {
		t.Errorf("got %+v, %v", e, err)
	}
}

func BenchmarkHandleCacheHit(b *testing.B) {
	w := newWorld()
	a := w.agent()
	req, _ := openai.Decode([]byte(plain))
	for b.Loop() {
		result, err := a.Handle(b.Context(), agent.Input{Request: req})
		if err != nil {
			b.Fatal(err)
		}
		result.Close(agent.Finish{Status: 200})
	}
}
