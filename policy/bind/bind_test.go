package bind_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/decide"
	"nearside/policy/valid"
)

// planned plans an ask as the daemon does: what is held follows the document.
func planned(d *policy.Document, a *policy.Ask, s policy.Signals) policy.Plan {
	s.Held, s.HeldSince = policy.Hold(d, &s)
	return decide.Plan(d, a, &s)
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bans is what a document alone says on privacy and spending of one ask, by its
// rules one by one and not by what a plan makes of them.
type bans struct {
	private bool
	targets map[string]string // by cloud target: why it must not be asked
	limit   policy.Limit
	require policy.Require
}

func bansOf(d *policy.Document, a *policy.Ask, s policy.Signals) bans {
	s.Held, _ = policy.Hold(d, &s)
	b := bans{private: a.Privacy == policy.Private, targets: map[string]string{}}
	service, named := d.Services[a.Service]
	b.require.Verified = service.Critical
	for i := range d.Rules {
		r := &d.Rules[i]
		if !r.InForce(a, &s) {
			continue
		}
		b.private = b.private || r.Then.Privacy != ""
		b.bound(r.Then.Limit, r.Then.Require)
		for j := range s.Targets {
			if x := &s.Targets[j]; policy.Names(r.Then.Deny, x) || len(r.Then.Force) > 0 && !policy.Names(r.Then.Force, x) {
				b.targets[x.Name] = "rule " + r.Name
			}
		}
	}
	for i := range s.Targets {
		if named && !slices.Contains(service.Ladder, policy.StepCloud) {
			b.targets[s.Targets[i].Name] = "the ladder"
		}
	}
	return b
}

func (b *bans) bound(l *policy.Limit, q *policy.Require) {
	if l != nil {
		if l.MaxCost != nil && (b.limit.MaxCost == nil || *l.MaxCost < *b.limit.MaxCost) {
			b.limit.MaxCost = l.MaxCost
		}
		for _, x := range []struct{ now, by *int }{{&b.limit.TokensOut, &l.TokensOut}, {&b.limit.Attempts, &l.Attempts}} {
			if *x.by > 0 && (*x.now == 0 || *x.by < *x.now) {
				*x.now = *x.by
			}
		}
	}
	if q != nil {
		b.require.Confidence = max(b.require.Confidence, q.Confidence)
		b.require.Schema, b.require.Verified = b.require.Schema || q.Schema, b.require.Verified || q.Verified
	}
}

// check tells whether a plan keeps to what is banned.
func (b *bans) check(t *rapid.T, p *policy.Plan, a *policy.Ask, s *policy.Signals) {
	out := min(a.Size.TokensOut, cut(p.Bounds.TokensOut))
	if most := b.limit.TokensOut; most > 0 && out > most {
		t.Fatalf("answers of %d tokens, own limit %d", out, most)
	}
	asked := 0
	for _, step := range p.Steps {
		if step.Target == "" {
			continue
		}
		for _, name := range step.Targets() {
			asked++
			if strings.HasPrefix(name, "cloud/") {
				b.checkTarget(t, name, policy.Size{TokensEst: a.Size.TokensEst, TokensOut: out}, s)
			}
		}
		if step.Kind == policy.StepLocal && step.Threshold < b.require.Confidence {
			t.Fatalf("%s may be unsure: %v under %v", step.Target, step.Threshold, b.require.Confidence)
		}
	}
	if most := b.limit.Attempts; most > 0 && asked > most {
		t.Fatalf("%d targets are asked, own limit %d", asked, most)
	}
	if q := p.Require; b.require.Schema && !q.Schema || b.require.Verified && !q.Verified {
		t.Fatalf("required %+v, own %+v", q, b.require)
	}
}

func (b *bans) checkTarget(t *rapid.T, name string, size policy.Size, s *policy.Signals) {
	target := s.Targets[slices.IndexFunc(s.Targets, func(x policy.Target) bool { return x.Name == name })]
	if why := b.targets[name]; why != "" || b.private {
		t.Fatalf("%s is asked; private %v, %s", name, b.private, why)
	}
	if most := b.limit.MaxCost; most != nil && (target.Price == nil || target.Price.Cost(size) > *most) {
		t.Fatalf("%s is asked for %v, own cap %v", name, target.Price, *most)
	}
}

// cut is a limit where there is one.
func cut(n int) int {
	if n == 0 {
		return 1 << 30
	}
	return n
}

// TestOnlyTighter: what the own document alone forbids is in no plan of the
// bound one, whatever the remote one says.
func TestOnlyTighter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, remote, a, s := documents(t), documents(t), asks(t), signals(t)
		before := text(t, own) + text(t, remote)
		bound := bind.Bind(own, remote, bind.Switches{})
		if bad := valid.Check(bound); bad != nil {
			t.Fatalf("not valid: %v", bad)
		}
		if text(t, own)+text(t, remote) != before {
			t.Fatal("the documents were changed")
		}
		p := planned(bound, a, *s)
		ours := bansOf(own, a, *s)
		ours.check(t, &p, a, s)
	})
}

// TestRemoteStillBinds: binding loosens nothing of the remote document either.
// Its rules that are held may have got another name, so what is held is left out.
func TestRemoteStillBinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, remote, a, s := documents(t), documents(t), asks(t), signals(t)
		s.Held = nil
		p := planned(bind.Bind(own, remote, bind.Switches{}), a, *s)
		theirs := bansOf(remote, a, *s)
		theirs.check(t, &p, a, s)
	})
}

// TestBoundBudgets: of a task never more may be wrong than the own document has.
func TestBoundBudgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, remote := documents(t), documents(t)
		got := bind.Bind(own, remote, bind.Switches{}).Check.Budget
		for _, task := range []string{"chat", "math", "code", "default"} {
			for _, d := range []*policy.Document{own, remote} {
				if d.Check.Budget != nil && listed(got, task) > listed(d.Check.Budget, task) {
					t.Fatalf("%s: %v, where %v was bounded", task, got, d.Check.Budget)
				}
			}
		}
	})
}

func listed(table map[string]float64, task string) float64 {
	if v, ok := table[task]; ok {
		return v
	}
	return table["default"]
}

func TestOwnPlansAsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, a, s := documents(t), asks(t), signals(t)
		if got := bind.Bind(own, own, bind.Switches{}); !reflect.DeepEqual(planned(got, a, *s), planned(own, a, *s)) {
			t.Fatalf("plans otherwise: %+v", got)
		}
	})
}

// TestTighteningIsTakenFully: a remote document that has all of the own one and
// more plans as if it were alone.
func TestTighteningIsTakenFully(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, a, s := documents(t), asks(t), signals(t)
		remote := *own
		remote.Version, remote.Check.Budget = own.Version+1, nil
		if own.Check.Budget != nil {
			remote.Check.Budget = map[string]float64{"default": 0}
		}
		remote.Rules = []policy.Rule{rule(t, "more")}
		for _, r := range own.Rules {
			tighter := r
			if l := r.Then.Limit; l != nil {
				tighter.Then.Limit = &policy.Limit{BudgetMS: l.BudgetMS, MaxCost: ptr(0.0), TokensOut: 1, Attempts: 1}
			}
			tighter.Then.Deny = append([]string{"cloud/t2"}, r.Then.Deny...)
			remote.Rules = append(remote.Rules, tighter)
		}
		bound := bind.Bind(own, &remote, bind.Switches{})
		if got, want := planned(bound, a, *s), planned(&remote, a, *s); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %s\nwant %s", text(t, got), text(t, want))
		}
	})
}

func TestSwitchOutranksAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, remote, a, s := documents(t), documents(t), asks(t), signals(t)
		bound := bind.Bind(own, remote, bind.Switches{CloudOff: true})
		if bad := valid.Check(bound); bad != nil {
			t.Fatalf("not valid: %v", bad)
		}
		p := planned(bound, a, *s)
		for _, step := range p.Steps {
			if step.Kind == policy.StepCloud {
				t.Fatalf("asks %v", step.Targets())
			}
		}
	})
}

// device is a policy whose owner cares for privacy and money.
const device = `
version: 0
services:
  chat: {ladder: [cache, local, cloud, stale, refuse], fresh: repeatable, commit: {local: first_token, cloud: first_token}}
  cabin: {ladder: [local, refuse], fresh: never}
weights: {quality: 1, near: 0.4, latency: 0, errors: 0, load: 0, cost: 0, metered: 0, tie: 0}
quality: {local: {default: 0.5}, cloud: {default: 0.9}}
check: {confidence: {default: 0.2}, budget: {default: 0.1, math: 0.02}}
limits: {deadline_ms: 60000, attempt_ms: 10000, silence_ms: 30000}
rules:
  - {name: people, when: {field: caller, in: [people]}, then: {privacy: private}}
  - {name: roaming, when: {field: battery_pct, lt: 20}, until: {field: battery_pct, ge: 30}, then: {deny: [cloud], prefer: [local]}}
  - {name: cents, then: {limit: {max_cost_usd: 0.01, budget_ms: 5000}}}
  - {name: hot, when: {field: temperature_c, ge: 90}, then: {deny: [local]}}
`

// loose is a remote policy that would have none of it.
const loose = `
version: 7
services:
  chat: {ladder: [cloud, refuse], fresh: repeatable, commit: {local: first_token, cloud: first_token}}
weights: {quality: 1, near: 0, latency: 0, errors: 0, load: 0, cost: 0, metered: 0, tie: 0}
quality: {local: {default: 0.5}, cloud: {default: 0.9}}
check: {confidence: {default: 0}, budget: {default: 1}}
limits: {deadline_ms: 60000, attempt_ms: 10000, silence_ms: 30000}
rules:
  - {name: people, then: {force: [cloud]}}
  - {name: roaming, when: {field: battery_pct, lt: 20}, until: {field: battery_pct, ge: 30}, then: {prefer: [cloud]}}
`

func read(t *testing.T, text string) *policy.Document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, _, err := written.LoadPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestByName: rules of the device keep their names, and give the reason.
func TestByName(t *testing.T) {
	bound := bind.Bind(read(t, device), read(t, loose), bind.Switches{})
	var names []string
	for _, r := range bound.Rules {
		names = append(names, r.Name)
	}
	if want := []string{"people", "roaming", "cents", "people_remote", "roaming_remote"}; !slices.Equal(names, want) {
		t.Errorf("rules %v, want %v", names, want)
	}
	if s := bound.Services["cabin"]; slices.Contains(s.Ladder, "cloud") {
		t.Errorf("the cabin may ask the cloud: %v", s.Ladder)
	}
	if got, want := bound.Check.Budget, (map[string]float64{"default": 0.1, "math": 0.02}); !reflect.DeepEqual(got, want) {
		t.Errorf("budgets %v, want %v", got, want)
	}
	local := policy.Target{Name: "local/small", Services: []string{"chat"}, Usable: true}
	cloud := policy.Target{Name: "cloud/a", Services: []string{"chat", "cabin"}, Usable: true, Price: &policy.Price{Input: 1, Output: 20}}
	for _, tt := range []struct {
		name    string
		ask     policy.Ask
		battery float64
		held    []string
		route   string
		reason  string
	}{
		{"a private caller", policy.Ask{Caller: "people"}, 90, nil, "none", "rule_people"},
		{"low", policy.Ask{}, 10, nil, "none", "rule_roaming"},
		{"held from before the swap", policy.Ask{}, 25, []string{"roaming"}, "none", "rule_roaming"},
		{"too dear", policy.Ask{Size: policy.Size{TokensOut: 1000}}, 90, nil, "none", "rule_cents"},
		{"cheap enough", policy.Ask{Size: policy.Size{TokensOut: 100}}, 90, nil, "cloud", "rule_people_remote"},
	} {
		s := policy.Signals{Network: "online", Device: policy.Device{BatteryPct: &tt.battery}, Held: tt.held, Targets: []policy.Target{local, cloud}}
		tt.ask.Service, tt.ask.DeadlineMS, tt.ask.Task = "chat", 60_000, "chat"
		p := planned(bound, &tt.ask, s)
		if route, reason := p.Main().Route(), p.MainReason(); route != tt.route || reason != tt.reason {
			t.Errorf("%s: %s for %s, want %s for %s", tt.name, route, reason, tt.route, tt.reason)
		}
		if limit := p.Bounds.BudgetMS; limit != 0 {
			t.Errorf("%s: the device's time limit binds: %d ms", tt.name, limit)
		}
	}
}

func BenchmarkBind(b *testing.B) {
	own := &policy.Document{Services: map[string]policy.Service{"chat": {Ladder: policy.Rungs()}}}
	for i := range 60 {
		own.Rules = append(own.Rules, policy.Rule{Name: "r" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Then: policy.Effect{Deny: []string{"cloud"}}})
	}
	remote := *own
	remote.Rules = slices.Clone(own.Rules)
	slices.Reverse(remote.Rules)
	b.ReportAllocs()
	for b.Loop() {
		bind.Bind(own, &remote, bind.Switches{CloudOff: true})
	}
}

// TestTightens: which rules keep more on the device than its own policy does,
// and that plans name the one that did.
func TestTightens(t *testing.T) {
	rule := func(name string, e policy.Effect) policy.Rule { return policy.Rule{Name: name, Then: e} }
	far, dear := policy.Effect{Deny: []string{"cloud"}}, policy.Effect{Limit: &policy.Limit{MaxCost: ptr(0.001)}}
	own := &policy.Document{Services: map[string]policy.Service{"chat": {Ladder: policy.Rungs()}}, Rules: []policy.Rule{rule("mine", far), rule("mild", policy.Effect{Prefer: []string{"local"}})}}
	own.Rules[0].When = policy.Condition{Field: "caller", In: []string{"people"}}
	remote := *own
	remote.Rules = []policy.Rule{
		own.Rules[0], rule("mild", dear), rule("cloud_off", far), rule("near", policy.Effect{Force: []string{"local"}}), rule("spare", policy.Effect{Deny: []string{"local"}}), rule("secret", policy.Effect{Privacy: policy.Private}),
	}
	for _, off := range []bool{false, true} {
		s := bind.Switches{CloudOff: off}
		want := map[string]bool{"mild": true, "cloud_off": true, "secret": true}
		if off {
			want = map[string]bool{"mild": true, "cloud_off_remote": true, "secret": true}
		}
		if got := bind.Tightens(own, bind.Bind(own, &remote, s), s); !reflect.DeepEqual(got, want) {
			t.Errorf("off %v: %v, want %v", off, got, want)
		}
	}
	if got := bind.Tightens(own, bind.Bind(own, own, bind.Switches{}), bind.Switches{}); len(got) > 0 {
		t.Errorf("its own policy tightens: %v", got)
	}
	targets := []policy.Target{{Name: "local/small", Services: []string{"chat"}, Usable: true}, {Name: "cloud/a", Services: []string{"chat"}, Usable: true, Price: &policy.Price{Input: 1, Output: 20}}}
	for _, tt := range []struct {
		want  string
		rules []policy.Rule
	}{
		{"", nil},
		{"a", []policy.Rule{rule("a", far)}},
		{"a", []policy.Rule{rule("a", policy.Effect{Privacy: policy.Private})}},
		{"a", []policy.Rule{rule("b", policy.Effect{Prefer: []string{"local"}}), rule("a", dear)}},
		{"", []policy.Rule{rule("a", policy.Effect{Deny: []string{"local", "cloud"}})}},
		{"", []policy.Rule{rule("a", far), rule("b", policy.Effect{Deny: []string{"local"}})}},
		{"", []policy.Rule{rule("a", policy.Effect{Deny: []string{"cloud/b"}})}},
	} {
		d := *own
		d.Rules = tt.rules
		a := policy.Ask{Service: "chat", Task: "chat", DeadlineMS: 60_000, Size: policy.Size{TokensOut: 1000}}
		if p := planned(&d, &a, policy.Signals{Network: "online", Targets: targets}); p.Withheld != tt.want {
			t.Errorf("%+v: withheld by %q, want %q", tt.rules, p.Withheld, tt.want)
		}
	}
}
