package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/decision"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/policy"
	"nearside/policy/replay"
)

// street is a device that goes through all kinds of situations, one an ask.
type street struct {
	*rand.Rand
	now     policy.Signals
	records [][]byte
}

func newStreet(seed uint64) *street { return &street{Rand: rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](s *street, all ...T) T { return all[s.IntN(len(all))] }

// maybe is a number below high, or nothing known.
func (s *street) maybe(high float64) *float64 {
	if s.IntN(4) == 0 {
		return nil
	}
	x := s.Float64() * high
	return &x
}

// move puts the device into another situation.
func (s *street) move(doc *policy.Document, at time.Time) {
	held, since := s.now.Held, s.now.HeldSince
	s.now = policy.Signals{
		Time: at, Network: pick(s, "online", "online", "online", "metered", "degraded", "offline", "portal", "unknown"), Held: held, HeldSince: since,
		Device: policy.Device{
			TemperatureC: s.maybe(110), BatteryPct: s.maybe(100), MemAvailableMB: s.maybe(4000), CPUPct: s.maybe(100), PressurePct: s.maybe(100),
		},
	}
	if charging := s.IntN(3); charging < 2 {
		is := charging == 1
		s.now.Device.Charging = &is
	}
	for i, name := range []string{"local/small", "cloud/first", "cloud/second"} {
		s.now.Targets = append(s.now.Targets, policy.Target{
			Name: name, Services: []string{"chat"}, Near: i == 0, Usable: s.IntN(8) > 0, Why: "the breaker is open",
			P50MS: s.maybe(5000), P95MS: s.maybe(20_000), ErrorRate: s.maybe(1), InFlight: s.IntN(9),
			Context: pick(s, 0, 4096), Blind: i == 0,
		})
		if i > 0 && s.IntN(3) > 0 {
			s.now.Targets[i].Price = &policy.Price{Input: s.Float64(), Output: 4 * s.Float64()}
		}
	}
	s.now.Held, s.now.HeldSince = policy.Hold(doc, &s.now)
}

// Record keeps what the agent records.
func (s *street) Record(_ string, _ time.Time, record func([]byte) []byte) {
	s.records = append(s.records, record(nil))
}

// Chat answers, or does not.
func (s *street) Chat(_ context.Context, call openai.Call) (*openai.Reply, error) {
	start := time.Now()
	if s.IntN(5) == 0 {
		call.Tried(openai.Attempt{Target: call.Targets[0], Start: start, Result: "timeout", Err: fault.ErrTimeout})
		return nil, fault.ErrTimeout
	}
	body := []byte(`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50}}`)
	a, err := completion.Parse(body)
	call.Tried(openai.Attempt{Target: call.Targets[0], Start: start, Took: 7, Result: "ok"})
	return &openai.Reply{Target: call.Targets[0], Body: body, Answer: a}, err
}

// Confidence is anything.
func (s *street) Confidence(string, []completion.Token) (float64, bool) {
	return s.Float64(), s.IntN(9) > 0
}

// input is a question of some kind.
func (s *street) input(t testing.TB) agent.Input {
	t.Helper()
	question := pick(s, "Who wrote Faust?", "What is 638 times 417?", "Write a regex for dates.", "Explain <tides> & \u2028 seas.")
	body, err := json.Marshal(map[string]any{
		"model": pick(s, "auto", "auto", "auto", "local", "cloud", "private", "cloud/second", "local/small"), "temperature": s.IntN(2),
		"messages": []map[string]string{{"role": "user", "content": question}}, "max_tokens": 1 + s.IntN(4000),
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := openai.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	stale := int64(s.IntN(3))
	return agent.Input{
		Request: req, Caller: pick(s, "", "dashboard"), MaxCost: s.maybe(0.01), Deadline: time.Duration(s.IntN(90_000)) * time.Millisecond,
		Cache: policy.Caching{NoStore: s.IntN(9) == 0, NoCache: s.IntN(9) == 0, OnlyIfCached: s.IntN(19) == 0, MaxStaleS: &stale},
	}
}

// live has an agent handle n asks and gives their records; one of so many was
// explained as well, and the plans were the same.
func live(t testing.TB, p *agent.Policy, n, every int) [][]byte {
	t.Helper()
	s := newStreet(1)
	a := agent.New(agent.Parts{
		Local: s, Cloud: s, Scorer: s, Recorder: s, Signals: func() policy.Signals { return s.now },
	}, agent.Settings{Policy: p})
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.FixedZone("", 7200))
	for i := range n {
		s.move(p.Doc, at.Add(time.Duration(i)*time.Second))
		in := s.input(t)
		var told *agent.Explanation
		var errTold error
		if i%every == 0 {
			told, errTold = a.Explain(in)
		}
		result, err := a.Handle(t.Context(), in)
		end := agent.Finish{Status: 200}
		if err != nil {
			end.Status = 503
		}
		result.Close(end)
		if i%every == 0 {
			compare(t, s.records[len(s.records)-1], told, errTold)
		}
	}
	return s.records
}

// compare holds a record against what explain told of the same ask.
func compare(t testing.TB, record []byte, told *agent.Explanation, errTold error) {
	t.Helper()
	var got, want decision.Record
	if err := json.Unmarshal(record, &got); err != nil {
		t.Fatal(err)
	}
	if errTold != nil {
		if len(got.Steps) > 0 {
			t.Fatalf("explain refuses (%v) what was planned: %s", errTold, record)
		}
		return
	}
	text, err := json.Marshal(decision.Record{Plan: told.Plan})
	if err = errors.Join(err, json.Unmarshal(text, &want)); err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", got.Plan), fmt.Sprintf("%+v", want.Plan); a != b {
		t.Fatalf("the plan was\n%s\nexplain told\n%s", a, b)
	}
}

func builtIn() *agent.Policy {
	doc, digest, _ := written.DefaultPolicy()
	return &agent.Policy{Doc: doc, Digest: digest, Source: "built-in"}
}

// TestLiveExplainReplay: of 10,000 asks in all kinds of situations the live
// path, explain and replay make the same plan.
func TestLiveExplainReplay(t *testing.T) {
	p := builtIn()
	records := live(t, p, 10_000, explained)
	o := replay.Options{New: p.Doc, Old: map[string]*policy.Document{p.String(): p.Doc}, Workers: runtime.GOMAXPROCS(0)}
	r := replay.Run(o, slices.Values(records))
	if r.Recomputed < 9_000 || r.Recomputed != r.Records || r.Recomputed+r.Unplanned != len(records) || r.Unreadable > 0 || r.Foreign > 0 {
		t.Errorf("of %d records: %+v", len(records), r)
	}
	if r.Differing > 0 {
		t.Errorf("%d plans came out otherwise, such as of %s", r.Differing, r.Differ)
	}
	if r.Changed > 0 || r.Estimated > 0 || len(r.Moves) > 0 || fmt.Sprint(r.Before) != fmt.Sprint(r.After) {
		t.Errorf("the same policy changes something: %+v", r)
	}
}
