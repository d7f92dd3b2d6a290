package daemon

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/server/signals"
	"nearside/cloud"
	"nearside/local"
	"nearside/policy"
)

// TestPushBesideSample: what the host app says of the network stands, also when
// a sample was being told of at that moment.
func TestPushBesideSample(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	doc, digest, _ := config.DefaultPolicy()
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
