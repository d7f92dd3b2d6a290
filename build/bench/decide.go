package main

import (
	"context"
	"fmt"
	"time"

	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/valid"
)

// deciding measures decide.Plan: with the built-in policy and three targets,
// and with fifty rules and twenty targets.
func deciding(_ context.Context, l *lab) error {
	doc, _, _ := written.DefaultPolicy()
	l.sheet.add("decide_us", decideTime(doc, 3), "us")
	doc.Rules = rules(50)
	if bad := valid.Check(doc); len(bad) > 0 {
		return fmt.Errorf("rules of the bench: %w", bad[0])
	}
	l.sheet.add("decide_20x50_us", decideTime(doc, 20), "us")
	return nil
}

// decideTime is the median time of one decision in many batches, in microseconds.
func decideTime(doc *policy.Document, targets int) float64 {
	const batches, batch = 50, 200
	ask, signals := scene(targets)
	var took []time.Duration
	for range batches {
		begun := time.Now()
		for range batch {
			decide.Plan(doc, &ask, &signals)
		}
		took = append(took, time.Since(begun))
	}
	return millis(quantile(took, 0.5)) * 1000 / batch
}

// scene is a plain ask, and so many targets of which the first is local, all
// with figures known.
func scene(targets int) (policy.Ask, policy.Signals) {
	ask := policy.Ask{
		Service: "chat", Model: policy.Auto, Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: 60_000,
		Size: policy.Size{Bytes: 200, TokensEst: 40, TokensOut: 512},
	}
	battery, cpu := 50.0, 20.0
	signals := policy.Signals{Time: time.Now(), Network: "online", Device: policy.Device{BatteryPct: &battery, CPUPct: &cpu}}
	for i := range targets {
		p50, p95, rate := float64(200+10*i), float64(400+20*i), 0.01*float64(i%5)
		t := policy.Target{
			Name: fmt.Sprintf("cloud/t%d", i), Services: []string{"chat"}, Usable: true, Context: 100_000,
			P50MS: &p50, P95MS: &p95, ErrorRate: &rate, Price: &policy.Price{Input: 0.4, Output: 1.6},
		}
		if i == 0 {
			t.Name, t.Near, t.Context, t.Price = "local/small", true, 4096, nil
		}
		signals.Targets = append(signals.Targets, t)
	}
	return ask, signals
}

// rules are so many, of which every fifth applies.
func rules(n int) []policy.Rule {
	low, size := 20.0, 100.0
	all := make([]policy.Rule, n)
	for i := range all {
		when := policy.Condition{All: []policy.Condition{
			{Field: "task", In: []string{"code", "math"}},
			{Any: []policy.Condition{{Field: "battery_pct", LT: &low}, {Field: "size.bytes", GT: &size}}},
		}}
		if i%5 == 0 {
			when = policy.Condition{Field: "size.bytes", GT: &size}
		}
		all[i] = policy.Rule{
			Name: fmt.Sprintf("rule_%d", i), When: when,
			Then: policy.Effect{Prefer: []string{fmt.Sprintf("cloud/t%d", i)}},
		}
	}
	return all
}
