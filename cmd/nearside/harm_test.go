package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
	"nearside/policy/trial"
)

// TestHarm: rightly signed policies that do harm are not taken, or at one ask a
// second are taken back within 60 s, with what was seen, and are not taken
// again. Meanwhile asks are answered as before.
func TestHarm(t *testing.T) {
	t.Parallel()
	rule := func(then string) string { return ordinary("rules:", "rules:\n  - {name: harm, then: "+then+"}") }
	for _, tt := range []struct {
		name, body string
		fault      fake.Fault // of the second cloud
		refused    bool       // at once; else it is found on trial
	}{
		{"denies everything", rule("{deny: [local, cloud]}"), fake.Fault{Kind: fake.None}, true},
		{"leads where there is nothing", rule("{force: [cloud/third]}"), fake.Fault{Kind: fake.None}, true},
		{"costs a hundred times as much", rule("{force: [cloud/dear]}"), fake.Fault{Kind: fake.None}, true},
		{"leads where nobody answers", rule("{force: [cloud/second]}"), fake.Fault{Kind: fake.Status, Status: 500}, false},
		{"makes every answer slow", rule("{force: [cloud/second]}"), fake.Fault{Kind: fake.Latency, MS: 1500}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, first, second := newOffice(t), newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
			h := o.steered(noLocal, "cloud:\n  targets:\n"+
				priced("first", first, 20)+priced("second", second, 20)+priced("dear", second, 2000))
			for i := range 40 {
				if r := h.ask(ask{text: fmt.Sprint("before ", i)}); r.status != http.StatusOK {
					t.Fatalf("before: %v", r)
				}
			}
			set(t, second, tt.fault)
			bad := o.seal(7, tt.body)
			if tt.refused {
				_, said := h.apply(bad, 3)
				if s := h.inForce(0, "factory"); s.LastRefusal == nil || s.LastRefusal.Detail == "" || !strings.Contains(said, s.LastRefusal.Reason) {
					t.Errorf("refused: %s, %+v", said, s.LastRefusal)
				}
				return
			}
			h.apply(bad, 0)
			h.takenBack(t, bad)
		})
	}
}

// priced is a target whose tokens have a price, in USD per million.
func priced(name string, s *fake.Server, usd float64) string {
	return strings.Replace(target(name, s), "kind:", fmt.Sprintf("price: {input: %v, output: %v}, kind:", usd, usd), 1)
}

// takenBack asks once a second until the policy on trial is taken back.
func (h *house) takenBack(t *testing.T, bad string) {
	t.Helper()
	began, tick := time.Now(), time.NewTicker(time.Second)
	defer tick.Stop()
	var asks sync.WaitGroup
	defer asks.Wait()
	for n := 0; h.standing().State != "rolled_back"; n++ {
		if time.Since(began) > 3*patience {
			t.Fatalf("after %v: %+v", 3*patience, h.standing())
		}
		asks.Go(func() { h.ask(ask{text: fmt.Sprint("on trial ", n)}) })
		<-tick.C
	}
	t.Logf("taken back after %v: %q", time.Since(began).Round(time.Second), h.standing().RolledBack.Evidence)
	s := h.inForce(0, "rolled_back")
	if b := s.RolledBack; b == nil || b.Version != 7 || b.Why != trial.Harm || len(b.Evidence) == 0 {
		t.Errorf("rolled back: %+v", s.RolledBack)
	}
	if _, said := h.apply(bad, 3); !strings.Contains(said, trial.RolledBackBefore) {
		t.Errorf("again: %s", said)
	}
	if c, ok := h.finds("policy_rolled_back", ""); !ok || c.Severity != "warn" {
		t.Errorf("health: %+v", h.status().Health)
	}
	if got := h.scrape()["nearside_policy_rollbacks_total"]; got != 1 {
		t.Errorf("metrics count %v rollbacks, want 1", got)
	}
	if r := h.ask(ask{text: "after"}); r.status != http.StatusOK || r.target() != "cloud/first" {
		t.Errorf("after: %v", r)
	}
}
