package decide_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/policy"
	"nearside/policy/valid"
)

var (
	share  = rapid.Float64Range(0, 1)
	weight = rapid.Float64Range(0, 1000)
	tasks  = rapid.SampledFrom([]string{"chat", "math", "code", ""})
	spots  = rapid.SampledFrom([]string{"local", "cloud", "local/t0", "cloud/t1", "cloud/t2", "cloud/none"})
)

func documents(t *rapid.T) *policy.Document {
	table := func(name string) map[string]float64 {
		m := rapid.MapOfN(tasks, share, 0, 3).Draw(t, name)
		m["default"] = share.Draw(t, name+" default")
		return m
	}
	commit := rapid.SampledFrom([]string{"first_token", "after_1_tokens", "after_1000_tokens", "after_check"})
	ms := rapid.Int64Range(1000, 3_600_000)
	d := &policy.Document{
		Weights: policy.Weights{
			Quality: weight.Draw(t, "quality"), Near: weight.Draw(t, "near"), Latency: weight.Draw(t, "latency"),
			Errors: weight.Draw(t, "errors"), Load: weight.Draw(t, "load"), Cost: weight.Draw(t, "cost"), Metered: weight.Draw(t, "metered"),
			CPU: weight.Draw(t, "cpu"), Memory: weight.Draw(t, "memory"), Heat: weight.Draw(t, "heat"), Battery: weight.Draw(t, "battery weight"), Tie: share.Draw(t, "tie"),
		},
		Quality: policy.Quality{Local: table("local"), Cloud: table("cloud")},
		Check:   policy.Check{Confidence: table("confidence"), Skip: share.Draw(t, "skip"), Budget: table("budget")},
		Limits:  policy.Limits{DeadlineMS: ms.Draw(t, "deadline"), AttemptMS: ms.Draw(t, "attempt"), SilenceMS: ms.Draw(t, "silence")},
		Services: map[string]policy.Service{"chat": {
			Ladder:  append(rapid.SliceOfDistinct(rapid.SampledFrom([]string{"cache", "local", "cloud", "stale"}), rapid.ID).Draw(t, "ladder"), "refuse"),
			Fresh:   rapid.SampledFrom([]string{"repeatable", "always", "never"}).Draw(t, "fresh"),
			Commit:  policy.Commit{Local: commit.Draw(t, "commit local"), Cloud: commit.Draw(t, "commit cloud")},
			Balance: rapid.SampledFrom(policy.Balances()).Draw(t, "balance"), Critical: rapid.IntRange(0, 5).Draw(t, "critical") == 0,
			FreshMaxS: rapid.Int64Range(0, 100).Draw(t, "fresh max"), StaleMaxS: rapid.Int64Range(0, 100).Draw(t, "stale max"),
		}},
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
		d.Rules = append(d.Rules, policy.Rule{Name: fmt.Sprintf("r%d", i), When: condition(t, 2), Then: effect(t)})
	}
	return d
}

func effect(t *rapid.T) policy.Effect {
	names := rapid.SliceOfN(spots, 1, 3).Draw(t, "names")
	switch rapid.IntRange(0, 6).Draw(t, "effect") {
	case 3:
		return policy.Effect{Privacy: policy.Private}
	case 4:
		return policy.Effect{Limit: &policy.Limit{
			BudgetMS: rapid.Int64Range(0, 100_000).Draw(t, "budget"), MaxCost: rapid.Ptr(share, true).Draw(t, "cap"),
			TokensOut: rapid.IntRange(0, 5000).Draw(t, "tokens out"), Attempts: rapid.IntRange(1, 4).Draw(t, "attempts"),
		}}
	case 5:
		return policy.Effect{Require: &policy.Require{Confidence: share.Draw(t, "sure"), Schema: true, Verified: rapid.Bool().Draw(t, "verified")}}
	case 6:
		return policy.Effect{Commit: &policy.Commit{Local: "after_check"}}
	case 0:
		return policy.Effect{Deny: names}
	case 1:
		return policy.Effect{Force: names}
	}
	return policy.Effect{Prefer: names}
}

func condition(t *rapid.T, depth int) policy.Condition {
	switch rapid.IntRange(2-min(depth, 2), 6).Draw(t, "form") {
	case 6:
		return policy.Condition{Time: &policy.Window{From: "22:00", To: rapid.SampledFrom([]string{"06:00", "24:00"}).Draw(t, "to"), Zone: "utc"}}
	case 0:
		return policy.Condition{All: []policy.Condition{condition(t, depth-1), condition(t, depth-1)}}
	case 1:
		return policy.Condition{Any: []policy.Condition{condition(t, depth-1), condition(t, depth-1)}}
	case 2:
		return policy.Condition{}
	case 3:
		return policy.Condition{Field: "task", In: []string{tasks.Draw(t, "in")}}
	case 4:
		return policy.Condition{Not: &policy.Condition{Field: "needs.vision", Is: ptr(rapid.Bool().Draw(t, "is"))}}
	}
	return policy.Condition{Field: "battery_pct", LT: ptr(rapid.Float64Range(0, 100).Draw(t, "lt"))}
}

func asks(t *rapid.T) policy.Ask {
	flag := rapid.Bool()
	var expected []policy.Estimate
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"local/t0", "local/t1", "cloud/t1"}), rapid.ID).Draw(t, "expected") {
		expected = append(expected, policy.Estimate{
			Target: name, Good: share.Draw(t, "good"), Gain: rapid.Ptr(rapid.Float64Range(-1, 1), true).Draw(t, "gain"), Threshold: rapid.Ptr(share, true).Draw(t, "threshold"),
		})
	}
	return policy.Ask{
		Expected: expected, Scope: rapid.Ptr(share, true).Draw(t, "scope"),
		Service: rapid.SampledFrom([]string{"chat", "chat", "chat", "embed"}).Draw(t, "service"),
		Mode:    rapid.SampledFrom([]string{"auto", "auto", "local", "cloud", ""}).Draw(t, "mode"),
		Target:  rapid.SampledFrom([]string{"", "", "", "local/t0", "cloud/t1", "cloud/none"}).Draw(t, "target"),
		Task:    tasks.Draw(t, "task"), Privacy: rapid.SampledFrom([]string{"normal", "private"}).Draw(t, "privacy"),
		DeadlineMS: rapid.Int64Range(-10, 100_000).Draw(t, "deadline"),
		MaxCost:    rapid.Ptr(share, true).Draw(t, "max cost"),
		Size:       policy.Size{TokensEst: rapid.IntRange(0, 10_000).Draw(t, "tokens"), TokensOut: rapid.IntRange(0, 10_000).Draw(t, "out")},
		Needs:      policy.Needs{Vision: flag.Draw(t, "vision")},
		Repeatable: flag.Draw(t, "repeatable"),
		Cache: policy.Caching{
			NoStore: flag.Draw(t, "no-store"), NoCache: flag.Draw(t, "no-cache"), OnlyIfCached: rapid.IntRange(0, 5).Draw(t, "only") == 0,
			MaxStaleS: rapid.Ptr(rapid.Int64Range(0, 5), true).Draw(t, "max-stale"),
		},
	}
}

func signals(t *rapid.T) policy.Signals {
	s := policy.Signals{
		Time: time.Unix(rapid.Int64Range(0, 1e6).Draw(t, "time"), 0), Turn: rapid.Uint64().Draw(t, "turn"), Network: rapid.SampledFrom([]string{"unknown", "online", "metered", "portal", "degraded", "offline"}).Draw(t, "network"),
		Device: policy.Device{BatteryPct: rapid.Ptr(rapid.Float64Range(0, 100), true).Draw(t, "battery")},
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "targets") {
		s.Targets = append(s.Targets, policy.Target{
			Name:     fmt.Sprintf("%s/t%d", rapid.SampledFrom([]string{"local", "cloud"}).Draw(t, "side"), i),
			Services: rapid.SampledFrom([][]string{{"chat"}, {"chat", "embed"}, nil}).Draw(t, "services"),
			Near:     rapid.Bool().Draw(t, "near"), Usable: rapid.IntRange(0, 4).Draw(t, "usable") > 0,
			P50MS: rapid.Ptr(rapid.Float64Range(0, 1e6), true).Draw(t, "p50"), ErrorRate: rapid.Ptr(share, true).Draw(t, "errors"),
			InFlight: rapid.IntRange(0, 20).Draw(t, "in flight"), Context: rapid.SampledFrom([]int{0, 4096}).Draw(t, "context"),
			Weight: rapid.IntRange(0, 5).Draw(t, "weight"), BytesPerToken: rapid.Ptr(rapid.Float64Range(1, 8), true).Draw(t, "bytes per token"),
			Blind: rapid.Bool().Draw(t, "blind"),
			Price: rapid.Ptr(rapid.Just(policy.Price{Input: 1, Output: 2}), true).Draw(t, "price"),
		})
	}
	return s
}

func TestPlansHoldTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &scene{Ask: asks(t), Signals: signals(t), doc: documents(t)}
		if bad := valid.Check(s.doc); bad != nil {
			t.Fatalf("not a valid document: %v", bad)
		}
		before := asJSON(t, s.doc, s.Ask, s.Signals)
		p := s.decide()
		if again := s.decide(); !reflect.DeepEqual(p, again) {
			t.Fatalf("the same input gave\n%+v\nand\n%+v", p, again)
		}
		if after := asJSON(t, s.doc, s.Ask, s.Signals); after != before {
			t.Fatalf("the input changed from\n%s\nto\n%s", before, after)
		}
		var back []policy.Plan
		if err := json.Unmarshal([]byte(asJSON(t, p)), &back); err != nil || !reflect.DeepEqual(p, back[0]) {
			t.Fatalf("%v: through JSON\n%+v\nbecame\n%+v", err, p, back)
		}
		checkSteps(t, s, p)
		checkTargets(t, s, p)
	})
}

func asJSON(t *rapid.T, values ...any) string {
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkSteps: budgets within the deadline, reasons everywhere, one end.
func checkSteps(t *rapid.T, s *scene, p policy.Plan) {
	var sum int64
	for i, step := range p.Steps {
		sum += step.BudgetMS
		if step.BudgetMS < 0 || step.Reason == "" || step.Why == "" {
			t.Fatalf("step %d has no reason or a bad budget: %+v", i, step)
		}
		if asks := step.Kind == policy.StepLocal || step.Kind == policy.StepCloud; !asks && !reflect.DeepEqual(step, policy.Step{
			Kind: step.Kind, MaxAgeS: step.MaxAgeS, PauseMS: step.PauseMS, Reason: step.Reason, Why: step.Why,
		}) {
			t.Fatalf("step %d asks nobody and has what is of others: %+v", i, step)
		}
		if (step.Kind == policy.StepRefuse) != (i == len(p.Steps)-1) {
			t.Fatalf("refuse is not the last step: %s", line(p))
		}
	}
	if sum > max(0, s.DeadlineMS) {
		t.Fatalf("budgets of %d ms, deadline %d ms", sum, s.DeadlineMS)
	}
	if limit := p.Bounds.BudgetMS; limit > 0 && sum > limit {
		t.Fatalf("budgets of %d ms, limit %d ms", sum, limit)
	}
	kept := has(&p, policy.StepCache) || has(&p, policy.StepStale)
	if kept && (s.Privacy == policy.Private || p.Private || p.Require.Verified || s.Cache.NoStore) || has(&p, policy.StepCache) && s.Cache.NoCache {
		t.Fatalf("looks for what must not be kept: %s", line(p))
	}
}

// checkTargets: every target has one place, and none is asked that must not be.
func checkTargets(t *rapid.T, s *scene, p policy.Plan) {
	places := map[string]int{}
	for _, n := range p.NotChosen {
		places[n.Target]++
		if n.Why == "" {
			t.Fatalf("%s is not chosen for no reason", n.Target)
		}
	}
	asked := map[string]bool{}
	for _, step := range p.Steps {
		if step.Kind != policy.StepLocal && step.Kind != policy.StepCloud {
			continue
		}
		for _, name := range step.Targets() {
			places[name]++
			asked[name] = true
			if !strings.HasPrefix(name, step.Kind+"/") {
				t.Fatalf("%s in a %s step", name, step.Kind)
			}
		}
	}
	for _, target := range s.Targets {
		if places[target.Name] != 1 {
			t.Fatalf("%s has %d places: %s", target.Name, places[target.Name], line(p))
		}
		far := strings.HasPrefix(target.Name, "cloud/")
		bad := !target.Usable || far && (s.Privacy == policy.Private || p.Private || (s.Network == "offline" || s.Network == "portal") && !target.Near || s.Mode == policy.Local) ||
			!far && s.Mode == policy.Cloud || s.Target != "" && s.Target != target.Name || s.Cache.OnlyIfCached || far && s.MaxCost != nil && target.Price == nil
		if bad && asked[target.Name] {
			t.Fatalf("%s must not be asked: %s", target.Name, line(p))
		}
	}
	if most := p.Bounds.Attempts; most > 0 && len(asked) > most {
		t.Fatalf("%d targets, and %d attempts: %s", len(asked), most, line(p))
	}
	if len(places) != len(s.Targets) {
		t.Fatalf("targets from nowhere: %v", places)
	}
}

func BenchmarkDecide(b *testing.B) {
	small, large := street(b), street(b)
	for i := range 17 {
		large.Targets = append(large.Targets, policy.Target{
			Name: fmt.Sprintf("cloud/more%d", i), Services: []string{"chat"}, Usable: true, P50MS: ptr(float64(100 * i)), ErrorRate: ptr(0.01),
		})
	}
	large.Device.BatteryPct = ptr(50.0)
	for i := range 50 {
		large.rule(fmt.Sprintf("r%d", i), policy.Effect{Deny: []string{fmt.Sprintf("cloud/more%d", i)}},
			policy.Condition{Field: "task", In: []string{"chat"}}, policy.Condition{Field: "battery_pct", LT: ptr(float64(i * 2))})
	}
	all := street(b)
	*all, all.doc = *large, ptr(*large.doc)
	all.doc.Weights.CPU, all.doc.Weights.Memory, all.doc.Weights.Heat, all.doc.Weights.Battery = 0.1, 0.1, 0.1, 0.1
	all.doc.Services = map[string]policy.Service{"chat": {Ladder: policy.Rungs(), Fresh: "always", Balance: policy.BalanceScore, Commit: large.doc.Services["chat"].Commit}}
	all.Expected = []policy.Estimate{{Target: "local/small", Good: 0.7, Gain: ptr(0.1), Threshold: ptr(0.4), From: "measured"}}
	all.rule("bound", policy.Effect{Limit: &policy.Limit{BudgetMS: 5000, Attempts: 9}}, policy.Condition{Time: &policy.Window{From: "00:00", To: "24:00"}})
	all.Time = time.Unix(1e9, 0)
	for name, s := range map[string]*scene{"3 targets": small, "20 targets 50 rules": large, "all it can do": all} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.decide()
			}
		})
	}
}
