package audit_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent"
	"nearside/agent/decision"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/label"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/policy"
)

// facts keep the purse in memory.
type facts struct {
	mu   sync.Mutex // guards text
	text map[string]string
}

func (f *facts) Fact(_ context.Context, name string) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.text[name]
	return v, ok, nil
}

func (f *facts) SetFact(_ context.Context, name, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text[name] = value
	return nil
}

// cloud answers with the same words each time.
type cloud string

func (c cloud) Chat(context.Context, openai.Call) (*openai.Reply, error) {
	a, err := said(string(c))
	return &openai.Reply{Target: "cloud/first", Answer: a}, err
}

func said(words string) (*completion.Answer, error) {
	return completion.Parse(fmt.Appendf(nil, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}]}`, words))
}

// idle is a world in which an audit costs nothing.
func idle() audit.World {
	return audit.World{
		Doc:  &policy.Document{Services: map[string]policy.Service{"chat": {Ladder: policy.Rungs()}}},
		Link: "ethernet",
		Signals: policy.Signals{
			Network: "online", Device: policy.Device{CPUPct: new(5.0), Charging: new(true)},
			Targets: []policy.Target{{Name: "cloud/first", Services: []string{"chat"}, Usable: true, Price: &policy.Price{Input: 0.1, Output: 0.1}}},
		},
	}
}

// TestAuditor: an answer that was picked is asked of the cloud again, when that
// costs nothing; else it is given up, and the report says why.
func TestAuditor(t *testing.T) {
	request, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"What is the capital of France?"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	paris, err := said("Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		cloud   cloud
		set     audit.Settings
		change  func(*audit.World)
		good    float64 // of the label; below 0 there is none
		skipped map[string]int64
	}{
		{"the same", "It is Paris.", audit.Settings{Share: 0.5, Calls: 3, USD: 1}, func(*audit.World) {}, 1, nil},
		{"another", "Lyon", audit.Settings{Share: 0.5, Calls: 3, USD: 1}, func(*audit.World) {}, 0, nil},
		{"offline", "Lyon", audit.Settings{Share: 0.5, Calls: 3, USD: 1}, func(w *audit.World) { w.Signals.Network = "offline" }, -1, map[string]int64{"network": 1}},
		{"on battery", "Lyon", audit.Settings{Share: 0.5, Calls: 3, USD: 1}, func(w *audit.World) { w.Signals.Device.Charging = new(false) }, -1, map[string]int64{"battery": 1}},
		{"the day's calls are made", "Lyon", audit.Settings{Share: 0.5, USD: 1}, func(*audit.World) {}, -1, map[string]int64{"budget": 1}},
		{"chance has it otherwise", "Lyon", audit.Settings{Share: 0.1, Calls: 3, USD: 1}, func(*audit.World) {}, -1, nil},
		{"off", "Lyon", audit.Settings{Off: true, Share: 0.5, Calls: 3, USD: 1}, func(*audit.World) {}, -1, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, found := idle(), []label.Label(nil)
			tt.change(&w)
			purse := &facts{text: map[string]string{}}
			a := audit.New(audit.Parts{
				Cloud: tt.cloud, World: func() audit.World { return w }, Facts: func() audit.Facts { return purse },
				Random: func() float64 { return 0.3 }, Now: time.Now, Found: func(x label.Label) { found = append(found, x) },
			}, tt.set)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { a.Run(ctx); close(ended) }()
			a.Pick(&agent.Lesson{
				Decision: "d", Ask: &policy.Ask{Service: "chat", Task: "chat", Mode: policy.Auto, Privacy: policy.Normal, Size: policy.Size{Bytes: 30}}, Request: request,
				Local: decision.Judged{Target: "local/small", Model: "m1"}, Sure: new(0.9), Said: paris, Formed: true, Given: true,
			})
			<-time.After(time.Hour)
			cancel()
			<-ended
			r := a.Report()
			if asked := tt.good >= 0; asked != (len(found) == 1 && found[0].Good == tt.good && found[0].Propensity == 0.5) || asked != (r.Done == 1 && r.Today.Calls == 1) || asked != (purse.text["learn_audits"] != "") {
				t.Errorf("%s: found %+v, report %+v, purse %v", tt.name, found, r, purse.text)
			}
			if !maps.Equal(r.Skipped, tt.skipped) {
				t.Errorf("%s: skipped %v, want %v", tt.name, r.Skipped, tt.skipped)
			}
		})
	}
}
