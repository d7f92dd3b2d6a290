package daemon

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/config/written"
	"nearside/agent/server/signals"
	"nearside/cloud"
	"nearside/cloud/network"
	"nearside/local"
	"nearside/local/sense"
	"nearside/policy"
)

// TestPushBesideSample: what the host app says of the network stands, also when
// a sample was being told of at that moment.
func TestPushBesideSample(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	doc, digest, _ := written.DefaultPolicy()
	d := &daemon{local: local.New(local.Options{Log: log}), cloud: cloud.New(cloud.Options{Log: log})}
	d.agent = agent.New(agent.Parts{Signals: func() policy.Signals { return policy.Signals{} }}, agent.Settings{Policy: &agent.Policy{Doc: doc, Digest: digest}})
	for range 2000 {
		var both sync.WaitGroup
		both.Go(d.changed)
		both.Go(func() {
			d.Push(map[string]signals.Pushed{"network": {Value: "offline", TTL: time.Hour}})
		})
		both.Wait()
		if got := d.cloud.Network().State; got != "offline" {
			t.Fatalf("the network is %s, want offline as pushed", got)
		}
		d.Push(map[string]signals.Pushed{"network": {}})
	}
}

// TestDwellOutlivesSituations: a rule with a dwell stays in force until that is
// over, however often the situation is made anew meanwhile.
func TestDwellOutlivesSituations(t *testing.T) {
	hot, cool := 80.0, 20.0
	doc, _, _ := written.DefaultPolicy()
	doc.Rules = []policy.Rule{{
		Name: "busy", When: policy.Condition{Field: "cpu_pct", GE: &hot}, Until: &policy.Condition{Field: "cpu_pct", LT: &hot},
		DwellMS: 60_000, Then: policy.Effect{Prefer: []string{"cloud"}},
	}}
	var s senses
	begin := time.Now()
	f := func(after time.Duration, cpu float64, want bool) {
		t.Helper()
		now := begin.Add(after)
		s.latest.Push(map[string]sense.Pushed{"cpu_pct": {Value: cpu, TTL: time.Hour}}, now)
		next := s.renew(network.View{State: "online"}, doc, now)
		if held := len(next.signals.Held) > 0; held != want {
			t.Errorf("after %v at %v %%: held %v since %v", after, cpu, next.signals.Held, next.signals.HeldSince)
		}
	}
	f(0, hot, true)
	f(time.Second, cool, true)
	f(59*time.Second, cool, true)
	f(60*time.Second, cool, false)
	f(61*time.Second, hot, false)
	f(120*time.Second, hot, true)
}

// TestWeightsReachPolicy: what the config says of a target's share is a signal.
func TestWeightsReachPolicy(t *testing.T) {
	cfg := config.Default()
	cfg.Cloud.Targets = []config.Target{{Name: "large", Kind: "openai", BaseURL: "http://127.0.0.1:1/v1", Models: map[string]string{"chat": "m"}, Weight: 3}}
	pool := cloud.New(cloud.Options{Targets: cloudTargets(cfg), Log: slog.New(slog.DiscardHandler)})
	if got := pool.Status()[0].Weight; got != 3 {
		t.Errorf("the pool knows a weight of %d", got)
	}
}
