package bind_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"nearside/policy"
)

var (
	share = rapid.Float64Range(0, 1)
	tasks = rapid.SampledFrom([]string{"chat", "math", "code"})
	spots = rapid.SampledFrom([]string{"local", "cloud", "local/t0", "cloud/t1", "cloud/t2", "cloud/none"})
)

func ptr[T any](x T) *T { return &x }

// documents draws a valid document with rules of every kind, whose names come
// from so few that two documents share some.
func documents(t *rapid.T) *policy.Document {
	table := func(name string) map[string]float64 {
		m := rapid.MapOfN(tasks, share, 0, 3).Draw(t, name)
		m["default"] = share.Draw(t, name+" default")
		return m
	}
	service := func(name string) policy.Service {
		return policy.Service{
			Ladder: append(rapid.SliceOfDistinct(rapid.SampledFrom([]string{"cache", "local", "cloud", "stale"}), rapid.ID).Draw(t, name), "refuse"),
			Fresh:  "repeatable", Commit: policy.Commit{Local: "first_token", Cloud: "first_token"}, Critical: rapid.IntRange(0, 4).Draw(t, "critical") == 0,
		}
	}
	d := &policy.Document{
		Version: rapid.IntRange(0, 9).Draw(t, "version"), Weights: policy.Weights{Quality: 1, Near: share.Draw(t, "near"), Cost: share.Draw(t, "cost")},
		Quality:  policy.Quality{Local: table("local"), Cloud: table("cloud")},
		Check:    policy.Check{Confidence: table("confidence"), Skip: share.Draw(t, "skip")},
		Limits:   policy.Limits{DeadlineMS: 60_000, AttemptMS: 10_000, SilenceMS: 30_000},
		Services: map[string]policy.Service{"chat": service("chat")},
	}
	if rapid.Bool().Draw(t, "embeds") {
		d.Services["embed"] = service("embed")
	}
	if rapid.Bool().Draw(t, "budgets") {
		d.Check.Budget = table("budget")
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 5, rapid.ID).Draw(t, "rules") {
		d.Rules = append(d.Rules, rule(t, fmt.Sprintf("r%d", n)))
	}
	return d
}

func rule(t *rapid.T, name string) policy.Rule {
	r := policy.Rule{Name: name, When: condition(t), Then: effect(t)}
	if rapid.IntRange(0, 3).Draw(t, "held") == 0 {
		r.When = policy.Condition{Field: "battery_pct", LT: ptr(20.0)}
		r.Until = &policy.Condition{Field: "battery_pct", GE: ptr(rapid.SampledFrom([]float64{30, 60}).Draw(t, "until"))}
	}
	return r
}

func condition(t *rapid.T) policy.Condition {
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return policy.Condition{Field: "task", In: []string{tasks.Draw(t, "in")}}
	case 1:
		return policy.Condition{Not: &policy.Condition{Field: "needs.vision", Is: ptr(rapid.Bool().Draw(t, "is"))}}
	case 2:
		return policy.Condition{Field: "battery_pct", LT: ptr(rapid.Float64Range(0, 100).Draw(t, "lt"))}
	}
	return policy.Condition{}
}

func effect(t *rapid.T) policy.Effect {
	e, some := policy.Effect{}, rapid.SliceOfN(spots, 1, 3)
	for _, kind := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 3, rapid.ID).Draw(t, "effects") {
		switch kind {
		case 0:
			e.Deny = some.Draw(t, "deny")
		case 1:
			e.Force = some.Draw(t, "force")
		case 2:
			e.Prefer = some.Draw(t, "prefer")
		case 3:
			e.Privacy = policy.Private
		case 4:
			e.Limit = &policy.Limit{
				BudgetMS: rapid.Int64Range(0, 100_000).Draw(t, "budget"), MaxCost: rapid.Ptr(rapid.Float64Range(0, 0.02), true).Draw(t, "cap"),
				TokensOut: rapid.IntRange(0, 5000).Draw(t, "tokens out"), Attempts: rapid.IntRange(1, 3).Draw(t, "attempts"),
			}
		case 5:
			e.Require = &policy.Require{Confidence: share.Draw(t, "sure"), Schema: true, Verified: rapid.Bool().Draw(t, "verified")}
		case 6:
			e.Commit = &policy.Commit{Local: "after_check"}
		}
	}
	return e
}

func asks(t *rapid.T) *policy.Ask {
	return &policy.Ask{
		Service: rapid.SampledFrom([]string{"chat", "chat", "embed", "other"}).Draw(t, "service"), Mode: rapid.SampledFrom([]string{"auto", "auto", "local", "cloud"}).Draw(t, "mode"),
		Task: tasks.Draw(t, "task"), Privacy: rapid.SampledFrom([]string{"normal", "normal", "private"}).Draw(t, "privacy"),
		DeadlineMS: rapid.Int64Range(0, 100_000).Draw(t, "deadline"), MaxCost: rapid.Ptr(rapid.Float64Range(0, 0.02), true).Draw(t, "max cost"),
		Size:  policy.Size{TokensEst: rapid.IntRange(0, 3000).Draw(t, "tokens"), TokensOut: rapid.IntRange(0, 9000).Draw(t, "out")},
		Needs: policy.Needs{Vision: rapid.Bool().Draw(t, "vision")}, Repeatable: rapid.Bool().Draw(t, "repeatable"),
	}
}

func signals(t *rapid.T) *policy.Signals {
	s := &policy.Signals{
		Time: time.Unix(1e9, 0), Network: rapid.SampledFrom(policy.Networks()).Draw(t, "network"),
		Device: policy.Device{BatteryPct: rapid.Ptr(rapid.Float64Range(0, 100), true).Draw(t, "battery")},
		Held:   rapid.SliceOfDistinct(rapid.SampledFrom([]string{"r0", "r1", "r2", "r3", "r4", "r5"}), rapid.ID).Draw(t, "held"),
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "targets") {
		s.Targets = append(s.Targets, policy.Target{
			Name:     fmt.Sprintf("%s/t%d", rapid.SampledFrom([]string{"local", "cloud", "cloud"}).Draw(t, "side"), i),
			Services: []string{"chat", "embed", "other"}, Near: rapid.Bool().Draw(t, "near"), Usable: true,
			P50MS: rapid.Ptr(rapid.Float64Range(0, 1e5), true).Draw(t, "p50"),
			Price: rapid.Ptr(rapid.Map(rapid.Float64Range(0, 10), func(x float64) policy.Price { return policy.Price{Input: x, Output: 2 * x} }), true).Draw(t, "price"),
		})
	}
	return s
}
