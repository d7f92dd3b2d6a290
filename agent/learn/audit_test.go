package learn_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent"
	"nearside/agent/learn"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// idle is a room whose device has nothing to do, hangs on a charger and a cable,
// and picks every answer that it may for an audit. The price is in USD for a
// million tokens, both ways.
func idle(t *testing.T, price float64) *room {
	cpu, charging := 5.0, true
	return &room{
		t: t, disk: newDisk(), model: "m1", near: "Paris", far: "It is Paris.", sure: 0.9, link: "ethernet",
		set: learn.Settings{AuditShare: 0.02, AuditCalls: 3, AuditUSD: 0.01},
		signals: policy.Signals{Network: "online", Device: policy.Device{CPUPct: &cpu, Charging: &charging}, Targets: []policy.Target{
			{Name: "local/small", Services: []string{"chat"}, Near: true, Usable: true},
			{Name: "cloud/first", Services: []string{"chat"}, Usable: true, Price: &policy.Price{Input: price, Output: price}},
		}},
	}
}

// TestAudit: the cloud is asked again, shortly and plainly, and what comes of it
// is a label with its propensity.
func TestAudit(t *testing.T) {
	for _, c := range []struct {
		far    string
		fields []string
		good   float64
	}{{"It is Paris.", nil, 1}, {"Lyon", nil, 0}, {"It is Paris.", []string{`"stream":true`, `"max_tokens":4000`}, 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := idle(t, 0.1)
			r.far = c.far
			var asked openai.Call
			r.cloud = func(_ context.Context, call openai.Call) error { asked = call; return nil }
			r.open()
			defer r.leave()
			record := r.ask(capital, nil, c.fields...)
			r.counts(map[string]int64{"audit": 1})
			got := r.disk.kept()[0]
			if got.Decision != record.ID || got.Propensity != 0.02 || got.Weight >= 1 || got.Good != c.good || *got.Score != 0.9 {
				t.Errorf("got %+v", got)
			}
			if asked.Request.Stream || asked.Request.MaxTokens != 256 || !asked.Once || len(asked.Targets) != 1 || asked.Request.LastUser() != capital {
				t.Errorf("asked %+v", asked)
			}
			if a := r.learner.Report().Audits; a.Done != 1 || a.Today.Calls != 1 || a.Today.USD <= 0 {
				t.Errorf("report %+v", a)
			}
		})
	}
}

// TestNoAudit: whatever it could cost, and whoever did not leave the way open.
func TestNoAudit(t *testing.T) {
	no, yes, much := false, true, 80.0
	signal := func(change func(s *policy.Signals, link *string)) func(*room) {
		return func(r *room) { r.turns(change) }
	}
	for _, c := range []struct {
		name  string
		room  func(*room)
		input func(*agent.Input)
		why   string // it is given up; "" is never picked
	}{
		{"offline", signal(func(s *policy.Signals, _ *string) { s.Network = "offline" }), nil, "network"},
		{"unknown network", signal(func(s *policy.Signals, _ *string) { s.Network = "unknown" }), nil, "network"},
		{"a metered state", signal(func(s *policy.Signals, _ *string) { s.Network = "metered" }), nil, "network"},
		{"metered", signal(func(s *policy.Signals, _ *string) { s.Device.Metered = &yes }), nil, "metered"},
		{"a modem", signal(func(_ *policy.Signals, link *string) { *link = "cellular" }), nil, "metered"},
		{"an unknown link", signal(func(_ *policy.Signals, link *string) { *link = "" }), nil, "metered"},
		{"on battery", signal(func(s *policy.Signals, _ *string) { s.Device.Charging = &no }), nil, "battery"},
		{"no word of a charger", signal(func(s *policy.Signals, _ *string) { s.Device.Charging = nil }), nil, "battery"},
		{"busy", signal(func(s *policy.Signals, _ *string) { s.Device.CPUPct = &much }), nil, "busy"},
		{"no word of the processor", signal(func(s *policy.Signals, _ *string) { s.Device.CPUPct = nil }), nil, "busy"},
		{"an ask in flight", signal(func(s *policy.Signals, _ *string) { s.Targets[0].InFlight = 1 }), nil, "busy"},
		{"no price", signal(func(s *policy.Signals, _ *string) { s.Targets[1].Price = nil }), nil, "no_target"},
		{"dear", signal(func(s *policy.Signals, _ *string) { s.Targets[1].Price = &policy.Price{Output: 1000} }), nil, "no_target"},
		{"an open breaker", signal(func(s *policy.Signals, _ *string) { s.Targets[1].Usable = false }), nil, "no_target"},
		{"no calls", func(r *room) { r.set.AuditCalls = 0 }, nil, "budget"},
		{"no money", func(r *room) { r.set.AuditUSD = 0 }, nil, "no_target"},
		{"another store", func(r *room) { r.disk.facts["learn_audits"] = "?" }, nil, "store"},
		{"not picked", func(r *room) { r.chance = 0.02 }, nil, ""},
		{"no share", func(r *room) { r.set.AuditShare = 0 }, nil, ""},
		{"off", func(r *room) { r.set.Off = true }, nil, ""},
		{"private", nil, func(in *agent.Input) { in.Privacy = policy.Private }, ""},
		{"private by a rule", func(r *room) { r.rules = staysHere() }, nil, ""},
		{"no-store", nil, func(in *agent.Input) { in.Cache.NoStore = true }, ""},
		{"local only", nil, func(in *agent.Input) { in.Mode = policy.Local }, ""},
		{"no model known", func(r *room) { r.model = "" }, nil, ""},
		{"a long answer", func(r *room) {
			r.near = strings.Repeat("Paris and many other large towns of that country, by and by: Lyon, Nice, Metz, Lille, Brest, Caen, Dijon, Pau, Toulon, Tours. ", 3)
		}, nil, ""},
		{"an unlimited caller without money", nil, func(in *agent.Input) { in.MaxCost = new(float64) }, "no_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := idle(t, 0.1)
				r.cloud = func(context.Context, openai.Call) error { t.Error("the cloud was asked"); return errors.New("no") }
				if c.room != nil {
					c.room(r)
				}
				r.open()
				defer r.leave()
				if record := r.ask(capital, c.input); record.Outcome.Route != "local" {
					t.Fatalf("outcome %+v", record.Outcome)
				}
				<-time.After(11 * time.Minute)
				r.settle()
				want := map[string]int64{}
				if c.why != "" {
					want[c.why] = 1
				}
				if got := r.learner.Report().Audits; !maps.Equal(got.Skipped, want) || got.Done+got.Failed != 0 || len(r.disk.kept()) > 0 {
					t.Errorf("got %+v, want given up: %v", got, want)
				}
			})
		})
	}
}

// TestAuditWaits until it costs nothing.
func TestAuditWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := idle(t, 0.1)
		r.signals.Network = "metered"
		r.open()
		defer r.leave()
		r.ask(capital, nil)
		<-time.After(5 * time.Minute)
		r.turns(func(s *policy.Signals, _ *string) { s.Network = "online" })
		<-time.After(time.Minute)
		r.counts(map[string]int64{"audit": 1})
	})
}

// TestAuditEnds when it begins to cost something, when the cloud does not
// answer, and with the daemon; nobody else notices.
func TestAuditEnds(t *testing.T) {
	hang := func(ctx context.Context, _ openai.Call) error { <-ctx.Done(); return ctx.Err() }
	synctest.Test(t, func(t *testing.T) {
		r := idle(t, 0.1)
		r.cloud = hang
		r.open()
		r.ask(capital, nil)
		<-time.After(10 * time.Second)
		if a := r.learner.Report().Audits; a.Failed != 0 {
			t.Fatalf("it ended by itself: %+v", a)
		}
		yes := true
		r.turns(func(s *policy.Signals, _ *string) { s.Device.Metered = &yes })
		<-time.After(2 * time.Second)
		if a := r.learner.Report().Audits; a.Failed != 1 || a.Today.Calls != 1 {
			t.Errorf("metered now: %+v", a)
		}
		r.turns(func(s *policy.Signals, _ *string) { s.Device.Metered = nil })
		r.cloud = func(context.Context, openai.Call) error { return fault.ErrDown }
		if record := r.ask(capital, nil); record.Outcome.Route != "local" {
			t.Errorf("outcome %+v", record.Outcome)
		}
		r.settle()
		if a := r.learner.Report().Audits; a.Failed != 2 || a.Done != 0 || len(r.disk.kept()) > 0 {
			t.Errorf("the cloud is down: %+v", a)
		}
		r.cloud = hang
		r.ask(capital, nil)
		r.settle()
		r.leave() // which returns only when the call has ended
	})
}

// TestAuditBudget: whatever is asked, on however many days and in however many
// lives, no day's budget is exceeded.
func TestAuditBudget(t *testing.T) {
	audited := 0
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			rnd, faults := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			price := 40 * rnd.Float64()
			r := idle(t, price)
			r.set.AuditCalls, r.set.AuditUSD = rnd.IntN(6), 0.05*rnd.Float64()
			calls, usd := map[string]int{}, map[string]float64{}
			r.cloud = func(_ context.Context, call openai.Call) error {
				day := time.Now().UTC().Format(time.DateOnly)
				calls[day]++
				usd[day] += price * float64(len(call.Request.LastUser())+256) / 1e6 // as much as it may come to
				if faults.IntN(3) == 0 {
					return fault.ErrBroken
				}
				return nil
			}
			r.open()
			for range 30 {
				r.ask(strings.Repeat("Where? ", 1+rnd.IntN(200))+capital, nil)
				<-time.After(time.Duration(rnd.IntN(4)) * time.Hour)
				if rnd.IntN(5) == 0 {
					r.leave()
					r.open()
				}
			}
			r.leave()
			for day, n := range calls {
				audited += n
				if n > r.set.AuditCalls || usd[day] > r.set.AuditUSD {
					t.Errorf("seed %d: %d calls and %v USD on %s, of %d and %v", seed, n, usd[day], day, r.set.AuditCalls, r.set.AuditUSD)
				}
			}
		})
	}
	if audited == 0 {
		t.Error("nothing was audited: this test is blind")
	}
}

// TestAuditClock: a clock that is set back brings no other budget.
func TestAuditClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := idle(t, 0.1)
		r.set.AuditCalls = 1
		for _, c := range []struct {
			ahead time.Duration
			done  int64
		}{{48 * time.Hour, 1}, {0, 0}, {24 * time.Hour, 0}, {72 * time.Hour, 1}} {
			r.ahead = c.ahead
			r.open()
			r.ask(capital, nil)
			r.settle()
			if a := r.learner.Report().Audits; a.Done != c.done {
				t.Errorf("%v ahead: %+v, want %d done", c.ahead, a, c.done)
			}
			r.leave()
		}
	})
}
