package agent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// rule adds a rule that always holds.
func rule(then policy.Effect) func(*policy.Document) {
	return func(d *policy.Document) {
		d.Rules = append([]policy.Rule{{Name: "r", Then: then}}, d.Rules...)
	}
}

func critical(d *policy.Document) {
	chat := d.Services["chat"]
	chat.Critical = true
	d.Services["chat"] = chat
}

// TestRequired: what policy forbids to give is not given, for want of better either.
func TestRequired(t *testing.T) {
	down := fails(fault.ErrDown)
	asJSON := func(in *agent.Input) {
		in.Check = func([]byte) error { return errors.New("no JSON") }
	}
	for _, c := range []struct {
		name        string
		policy      func(*policy.Document)
		sure        surety
		local       answerer
		cloud       answerer
		more        func(*agent.Input)
		want        string // route and reason
		err         error
		keptAnswers int
	}{
		{"critical, sure", critical, 0.9, says("near"), down, nil, "local local_first", nil, 1},
		{"critical, unsure", critical, 0.1, says("near"), down, nil, "none unverified", agent.ErrUnverified, 0},
		{"critical, unsure, far", critical, 0.1, says("near"), says("far"), nil, "cloud local_unsure", nil, 1},
		{"critical, check says nothing", critical, unknown, says("near"), down, nil, "none unverified", agent.ErrUnverified, 0},
		{"plain, check says nothing", func(*policy.Document) {}, unknown, says("near"), down, nil, "local local_first", nil, 1},
		{"surer than the threshold", rule(policy.Effect{Require: &policy.Require{Confidence: 0.8}}), 0.6, says("near"), says("far"), nil, "cloud local_unsure", nil, 1},
		{"formed or nothing", rule(policy.Effect{Require: &policy.Require{Schema: true}}), 0.9, says("near"), says("far"), asJSON, "none unverified", agent.ErrUnverified, 0},
		{"unformed for want of better", func(*policy.Document) {}, 0.9, says("near"), says("far"), asJSON, "cloud unverified", nil, 0},
		{"made private", rule(policy.Effect{Privacy: policy.Private}), 0.1, says("near"), says("far"), nil, "local rule_r", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.policy, w.sure, w.local, w.cloud = c.policy, c.sure, c.local, c.cloud
			more := c.more
			if more == nil {
				more = func(*agent.Input) {}
			}
			for _, body := range []string{plain, streamed} {
				clear(w.mem.entries)
				head, err := w.ask(t, body, more)
				if got := head.Route + " " + head.Reason; got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("got %s, %v, want %s, %v", got, err, c.want, c.err)
				}
				if len(w.mem.entries) != c.keptAnswers {
					t.Errorf("%d answers are kept", len(w.mem.entries))
				}
			}
		})
	}
}

// TestLimits: what a rule bounds is what targets are asked with.
func TestLimits(t *testing.T) {
	w := newWorld()
	w.policy = rule(policy.Effect{Limit: &policy.Limit{BudgetMS: 2000, TokensOut: 20, Attempts: 2}})
	var got []openai.Call
	w.local = func(_ context.Context, call openai.Call) (*openai.Reply, error) {
		got = append(got, call)
		return nil, fault.ErrTimeout
	}
	w.cloud = w.local
	_, err := w.ask(t, plain)
	if !errors.Is(err, agent.ErrDeadline) || len(got) != 2 {
		t.Fatalf("%d calls, %v", len(got), err)
	}
	for _, call := range got {
		if call.Request.MaxTokens != 20 || !call.Once || call.Budget.Seconds() > 2 {
			t.Errorf("at most %d tokens, in %v, once: %t", call.Request.MaxTokens, call.Budget, call.Once)
		}
	}
}

// TestTooLong is refused by name, and nobody is asked.
func TestTooLong(t *testing.T) {
	w := newWorld()
	w.signals = func(s *policy.Signals) {
		for i := range s.Targets {
			s.Targets[i].Context = 8
		}
	}
	head, err := w.ask(t, plain)
	if !errors.Is(err, agent.ErrTooLong) || head.Reason != "too_long" || head.Attempts != 0 {
		t.Errorf("got %+v, %v", head, err)
	}
}

// TestTurnsAreTaken: every ask that a pool may answer has its number, so that
// its members take turns, whatever else is asked in between.
func TestTurnsAreTaken(t *testing.T) {
	w := newWorld()
	w.signals = func(s *policy.Signals) {
		both := []string{"chat", "stock"}
		s.Targets = append(s.Targets, policy.Target{Name: "cloud/other", Services: both, Usable: true}, policy.Target{Name: "cloud/third", Services: both, Usable: true})
	}
	a := w.agent()
	handle := func(in agent.Input) uint64 {
		result, err := a.Handle(t.Context(), in)
		result.Close(agent.Finish{Status: 200, Err: err})
		return w.mem.last().Signals.Turn
	}
	req, err := openai.Decode([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for want := uint64(1); want < 4; want++ {
		ex, err := a.Explain(agent.Input{Request: req})
		if err != nil || ex.Signals.Turn != want {
			t.Errorf("the next turn is said to be %d, %v", ex.Signals.Turn, err)
		}
		handle(agent.Input{Request: req, Privacy: "private"})
		handle(agent.Input{Request: req, Mode: "local"})
		if got := handle(agent.Input{Request: req}); got != want {
			t.Errorf("turn %d, want %d", got, want)
		}
		if got := handle(agent.Input{Request: openai.API("stock", []byte(`{}`))}); got != want {
			t.Errorf("turn %d of another service, want %d", got, want)
		}
	}
}

// TestVerifiedAPI: answers of a JSON API are verified by their schema, or not at all.
func TestVerifiedAPI(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply func([]byte) error
		err   error
	}{
		{"no schema", nil, agent.ErrUnverified},
		{"it fits", func([]byte) error { return nil }, nil},
	} {
		doc, digest, _ := written.DefaultPolicy()
		doc.Services["act"] = policy.Service{Ladder: []string{"local", "cloud", "refuse"}, Fresh: "never", Critical: true}
		w := newWorld()
		a := agent.New(agent.Parts{Cloud: w.cloud, Signals: func() policy.Signals {
			return policy.Signals{Network: "online", Targets: []policy.Target{{Name: "cloud/arm", Services: []string{"act"}, Usable: true}}}
		}}, agent.Settings{Policy: &agent.Policy{Doc: doc, Digest: digest}, Services: map[string]agent.Service{"act": {Reply: c.reply}}})
		result, err := a.Handle(t.Context(), agent.Input{Request: openai.API("act", []byte(`{}`))})
		result.Close(agent.Finish{Status: 200, Err: err})
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.err)
		}
	}
}

// TestServiceBounds: a service's own deadline and ages are held to.
func TestServiceBounds(t *testing.T) {
	w := newWorld()
	w.policy = func(d *policy.Document) {
		chat := d.Services["chat"]
		chat.FreshMaxS, chat.StaleMaxS, chat.DeadlineMS = 60, 600, 5000
		d.Services["chat"] = chat
	}
	f := func(age time.Duration, route string) {
		t.Helper()
		w.mem.at = time.Now().Add(-age)
		head, _ := w.ask(t, plain)
		if rec := w.mem.last(); head.Route != route || rec.DeadlineMS != 5000 {
			t.Errorf("kept for %v: route %s, want %s; deadline %d ms", age, head.Route, route, rec.DeadlineMS)
		}
	}
	f(0, "local")
	f(50*time.Second, "cache")
	f(70*time.Second, "local")
	w.local, w.cloud = fails(fault.ErrDown), fails(fault.ErrDown)
	f(500*time.Second, "stale")
	f(700*time.Second, "none")
}

// seen remembers the last observation.
type seen struct{ agent.Observation }

func (*seen) Attempted(string, string)        {}
func (s *seen) Finished(o *agent.Observation) { s.Observation = *o }

// TestWithheldIsObserved: who counts what came of asks is told which rule kept
// the cloud from them.
func TestWithheldIsObserved(t *testing.T) {
	for _, then := range []policy.Effect{{Deny: []string{"cloud"}}, {Prefer: []string{"local"}}} {
		doc, digest, _ := written.DefaultPolicy()
		doc.Rules = []policy.Rule{{Name: "stay", Then: then}}
		want, o, w := map[bool]string{true: "stay"}[then.Deny != nil], &seen{}, newWorld()
		a := agent.New(agent.Parts{Cloud: w.cloud, Observer: o, Signals: func() policy.Signals {
			return policy.Signals{Network: "online", Targets: []policy.Target{{Name: "cloud/arm", Services: []string{"act"}, Usable: true}}}
		}}, agent.Settings{Policy: &agent.Policy{Doc: doc, Digest: digest}})
		result, err := a.Handle(t.Context(), agent.Input{Request: openai.API("act", []byte(`{}`))})
		result.Close(agent.Finish{Status: 200, Err: err})
		if o.Decision == "" || o.Withheld != want {
			t.Errorf("%+v: observed %+v, want withheld by %q", then, o.Observation, want)
		}
	}
}
