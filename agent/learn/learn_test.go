package learn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"nearside/agent"
	"nearside/agent/learn"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy"
	"nearside/policy/calib"
	"nearside/policy/decide"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const capital = "What is the capital of France?"

// TestFound: what shows by itself of the device's answers.
func TestFound(t *testing.T) {
	long := strings.Repeat("one of very many different sentences about Paris, Lyon, Nice, Lille, Metz, Nantes, Brest, Caen, Dijon, Pau, Toulon, Tours. ", 2)
	call := func(name, arguments string) string {
		return fmt.Sprintf(`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":%q,"arguments":%q}}]}`, name, arguments)
	}
	const tools = `"tools":[{"type":"function","function":{"name":"look"}}]`
	private := func(in *agent.Input) { in.Privacy = policy.Private }
	schema := func(in *agent.Input) {
		in.Check = func(answer []byte) error {
			if !json.Valid(answer) {
				return fmt.Errorf("no JSON")
			}
			return nil
		}
	}
	for _, c := range []struct {
		name, near, far string
		sure            float64
		change          func(*agent.Input)
		fields          []string
		source          string // "" is no label
		task            string
		good            float64
	}{
		{"sure", "Paris", "Paris", 0.9, nil, nil, "", "", 0},
		{"unsure and right", "Paris", "It is Paris.", 0.1, nil, nil, "escalation", "chat", 1},
		{"unsure and wrong", "Lyon", "It is Paris.", 0.1, nil, nil, "escalation", "chat", 0},
		{"unsure, streamed", "Lyon", "It is Paris.", 0.1, nil, []string{`"stream":true`}, "escalation", "chat stream", 0},
		{"unsure and long", long, "Quite another. " + long, 0.1, nil, nil, "", "", 0},
		{"unsure and private", "Lyon", "Paris", 0.1, private, nil, "", "", 0},
		{"of the wrong form", "Lyon", `"Paris"`, 0.9, schema, nil, "schema", "chat", 0},
		{"of the wrong form and private", "Lyon", `"Paris"`, 0.9, func(in *agent.Input) { private(in); schema(in) }, nil, "schema", "chat", 0},
		{"a tool that is there", call("look", `{"at":1}`), "Paris", 0.9, func(in *agent.Input) { in.Mode = policy.Local }, []string{tools}, "", "", 0},
		{"a tool that is not", call("eat", `{}`), "Paris", 0.9, func(in *agent.Input) { in.Mode = policy.Local }, []string{tools}, "tools", "tools", 0},
		{"a tool without an object", call("look", `7`), "Paris", 0.9, func(in *agent.Input) { in.Mode = policy.Local }, []string{tools}, "tools", "tools", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &room{t: t, disk: newDisk(), model: "m1", near: c.near, far: c.far, sure: c.sure}
				r.open()
				defer r.leave()
				record := r.ask(capital, c.change, c.fields...)
				want := map[string]int64{}
				if c.source != "" {
					want[c.source] = 1
				}
				r.counts(want)
				if c.source == "" {
					return
				}
				got := r.disk.kept()[0]
				if got.Decision != record.ID || got.Target != "local/small" || got.Model != "m1" || got.Task != c.task || *got.Score != c.sure || got.Good != c.good {
					t.Errorf("got %+v", got)
				}
				if trusted := got.Weight == 1; trusted != (c.source != label.FromEscalation) {
					t.Errorf("weight %v of %s", got.Weight, c.source)
				}
			})
		})
	}
}

// escalated has the device be wrong below .2 and right from there on, unsure of
// all of it.
func (r *room) escalated(n int) {
	r.t.Helper()
	for i := range n {
		r.near, r.far, r.sure = "Paris", "Paris", 0.1+0.001*float64(i%100)
		if i%2 == 0 {
			r.near, r.sure = "Lyon", r.sure-0.1
		}
		r.ask(capital, nil)
	}
	r.settle()
}

// TestRefit: enough labels make a table, which holds at once and is the same in
// the next life of the daemon.
func TestRefit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", skip: 0.01}
		r.open()
		r.escalated(40)
		if got := r.learner.Report().Targets[0]; got.State != standing.Unmeasured || got.Version != nil {
			t.Errorf("after 40 labels: %+v", got)
		}
		r.escalated(200)
		first := r.learner.Report().Targets[0]
		if first.State != standing.Measured || first.Labels < 200 || first.Version == nil {
			t.Fatalf("after 240 labels: %+v", first)
		}
		r.sure = 0.15
		record := r.ask(capital, nil)
		if e := record.Estimate("local/small"); e == nil || e.From != standing.Measured || e.Samples < 200 || e.Good < 0.4 || e.Good > 0.6 {
			t.Errorf("expected %+v, want about half", record.Expected)
		}
		if j := record.Outcome.Judged; j == nil || j.Model != "m1" || j.Good == nil || *j.Good < 0.7 {
			t.Errorf("judged %+v, want mostly good", j)
		}
		plan := decide.Plan(r.agent.Policy().Doc, &record.Ask, &record.Signals)
		if got, want := fmt.Sprint(plan), fmt.Sprint(record.Plan); got != want {
			t.Errorf("decided again: %s, want %s", got, want)
		}
		r.leave()
		r.open()
		defer r.leave()
		second := r.learner.Report().Targets[0]
		if second.State != standing.Measured || second.Labels < first.Labels {
			t.Errorf("in the next life: %+v, want at least %+v", second, first)
		}
	})
}

// TestKilledBetween: labels that were kept and not fitted yet are in the table
// of the next life.
func TestKilledBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1"}
		r.open()
		defer func() { r.leave() }()
		r.escalated(240)
		killed := &disk{labels: r.disk.kept(), facts: map[string]string{}, records: map[string][]byte{}}
		want := len(killed.labels)
		if fitted := r.learner.Report().Targets[0].Labels; fitted >= want {
			r.ask(capital, nil)
		}
		r.leave()
		r.disk = killed
		r.open()
		if got := r.learner.Report().Targets[0]; got.Labels != want {
			t.Errorf("%d labels in the table, want all %d", got.Labels, want)
		}
	})
}

// TestImported: what was measured before is read again at a reload.
func TestImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1"}
		r.open()
		defer r.leave()
		for _, want := range []string{standing.Unmeasured, standing.Measured} {
			r.learner.Swap(r.set)
			synctest.Wait()
			if got := r.learner.Report().Targets[0]; got.State != want {
				t.Errorf("got %+v, want %s", got, want)
			}
			r.prior = prior(t, "m1")
		}
	})
}

// TestImportedAfterDrift: a model that drifted and was measured anew is not
// doubted any more, in this life and the next; what was measured before the
// drift is no evidence, however often it is read.
func TestImportedAfterDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", prior: prior(t, "m1"), near: "Paris", far: "Paris"}
		state := func(want, from string) {
			t.Helper()
			r.learner.Swap(r.set)
			r.settle()
			if got := r.learner.Report().Targets[0]; got.State != want || *got.Prior != from {
				t.Errorf("got %+v, want %s, %s", got, want, from)
			}
		}
		r.open()
		defer func() { r.leave() }()
		for i := range 400 {
			if r.sure = 0.8; i > 250 {
				r.sure = 0.3
			}
			r.ask(capital, nil)
		}
		state(standing.Doubted, "imported")
		r.prior = table(t, "m1", 300)
		state(standing.Measured, "imported")
		r.leave()
		r.open()
		state(standing.Measured, "imported")
		r.prior = prior(t, "m1")
		r.learner.Swap(r.set)
		r.settle()
		if got := r.learner.Report().Targets[0]; got.Prior != nil {
			t.Errorf("what was measured before the drift is back: %+v", got)
		}
	})
}

// TestBroken: what was measured before and cannot be used is told, and used for
// nothing.
func TestBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", prior: prior(t, "m1"), broken: errors.New("it is cut")}
		r.open()
		defer r.leave()
		if got := r.learner.Report().Targets[0]; got.State != standing.Unmeasured || got.Prior != nil || got.Fault == nil || *got.Fault != "it is cut" {
			t.Errorf("got %+v", got)
		}
		r.broken = nil
		r.learner.Swap(r.set)
		r.settle()
		if got := r.learner.Report().Targets[0]; got.State != standing.Measured || got.Fault != nil {
			t.Errorf("mended: got %+v", got)
		}
	})
}

// prior is a table of 200 answers: those from .5 on are good.
func prior(t testing.TB, model string) *calib.Table {
	t.Helper()
	return table(t, model, 200)
}

func table(t testing.TB, model string, answers int) *calib.Table {
	t.Helper()
	var labels []calib.Label
	for i := range answers {
		l := calib.Label{Task: "chat", Score: float64(i) / float64(answers)}
		if i >= answers/2 {
			l.Good = 1
		}
		labels = append(labels, l)
	}
	made, err := calib.Fit(calib.Model{SHA256: model}, labels)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestBudget: an error budget asks for the confidence that the labels show, and
// where they show none, no answer of the device is taken as good.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", budget: map[string]float64{"default": 0.1}, near: "Paris", far: "Paris"}
		goes := func(sure float64, route, why string) {
			t.Helper()
			r.sure = sure
			record := r.ask(capital, nil)
			if got := record.Plan.Steps[0]; record.Outcome.Route != route || !strings.Contains(got.Why, why) {
				t.Errorf("%v sure: route %s, want %s; %s, want %s", sure, record.Outcome.Route, route, got.Why, why)
			}
		}
		r.open()
		goes(0.99, "cloud", "unmeasured, for at most 0.1 wrong")
		r.leave()
		r.prior = prior(t, "m1")
		r.open()
		goes(0.9, "local", "measured, for at most 0.1 wrong")
		goes(0.3, "cloud", "measured")
		r.prior = nil
		r.learner.Swap(r.set)
		r.settle()
		goes(0.9, "cloud", "unmeasured")
		r.prior = prior(t, "m1")
		r.learner.Swap(r.set)
		r.settle()
		goes(0.9, "local", "measured")
		r.leave()
		r.prior, r.model = nil, "m2"
		r.open()
		goes(0.99, "cloud", "changed, for at most 0.1 wrong")
		if got := r.learner.Report().Targets[0]; got.State != standing.Changed {
			t.Errorf("another model: %+v", got)
		}
		r.leave()
		r.model = ""
		r.open()
		goes(0.99, "cloud", "unmeasured, for at most 0.1 wrong")
		if got := r.learner.Report().Targets; len(got) != 0 {
			t.Errorf("a model that is not identified: %+v", got)
		}
		r.leave()
		r.model = "m1"
		r.open()
		defer r.leave()
		if got := r.learner.Report().Targets[0]; got.State != standing.Unmeasured {
			t.Errorf("the first model again, without its prior: %+v", got)
		}
	})
}

// TestDrift: a model that becomes less sure is doubted, its bound rules, also
// in the next life, until enough was judged; then one refit ends the doubt.
func TestDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", prior: prior(t, "m1"), near: "Paris", far: "Paris", budget: map[string]float64{"default": 0.1}}
		r.open()
		for i := range 300 {
			r.sure = 0.8 + 0.001*float64(i%50)
			r.ask(capital, nil)
		}
		if got := r.learner.Report(); got.Alarms != 0 || got.Targets[0].State != standing.Measured {
			t.Fatalf("as sure as before: %+v", got)
		}
		news := r.news
		for range 100 {
			r.sure = 0.05
			r.near = "Lyon"
			if r.ask(capital, nil); r.learner.Report().Alarms > 0 {
				break
			}
		}
		r.settle()
		got := r.learner.Report()
		if got.Alarms != 1 || got.Targets[0].State != standing.Doubted || got.Targets[0].Why == nil || r.news <= news {
			t.Fatalf("less sure: %+v", got)
		}
		doubted := r.ask(capital, nil).Estimate("local/small")
		if doubted == nil || doubted.From != standing.Doubted || *doubted.Threshold < 0.5 {
			t.Errorf("expected %+v", doubted)
		}
		r.leave()
		r.open()
		defer func() { r.leave() }()
		if got := r.learner.Report().Targets[0]; got.State != standing.Doubted {
			t.Errorf("in the next life: %+v", got)
		}
		<-time.After(time.Hour)
		r.escalated(120)
		if got := r.learner.Report().Targets[0]; got.State != standing.Measured || got.Why != nil || got.Labels < 50 {
			t.Errorf("after enough was judged: %+v", got)
		}
	})
}

// TestEarly: where a policy has an error budget, an ask that comes before what is
// known was looked up waits for that, and takes no answer as good when it does
// not come.
func TestEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", prior: prior(t, "m1"), near: "Paris", far: "Paris", sure: 0.9, budget: map[string]float64{"default": 0.1}}
		r.shut = true
		r.open()
		start := time.Now()
		if record := r.ask(capital, nil); record.Outcome.Route != "cloud" || time.Since(start) != time.Second {
			t.Errorf("after %v: outcome %+v", time.Since(start), record.Outcome)
		}
		r.turns(func(*policy.Signals, *string) { r.shut = false })
		if record := r.ask(capital, nil); record.Outcome.Route != "local" {
			t.Errorf("outcome %+v", record.Outcome)
		}
		r.leave()
		r.shut, r.budget = true, nil
		r.open()
		defer r.leave()
		start = time.Now()
		if record := r.ask(capital, nil); record.Outcome.Route != "local" || time.Since(start) > 0 {
			t.Errorf("without a budget, after %v: outcome %+v", time.Since(start), record.Outcome)
		}
	})
}

// TestOff: nothing is kept, and only what was measured before is known.
func TestOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", prior: prior(t, "m1"), near: "Lyon", far: "Paris", sure: 0.1, skip: 0.01, set: learn.Settings{Off: true}}
		r.open()
		defer r.leave()
		record := r.ask(capital, nil)
		r.settle()
		if len(r.disk.kept()) > 0 || len(r.disk.facts) > 0 {
			t.Errorf("kept %v, %v", r.disk.kept(), r.disk.facts)
		}
		if e := record.Estimate("local/small"); e == nil || e.Good != 0.5 || e.From != standing.Measured {
			t.Errorf("expected %v, want the half that was measured", record.Expected)
		}
		r.learner.Swap(learn.Settings{})
		r.settle()
		if record := r.ask(capital, nil); len(record.Expected) != 1 {
			t.Errorf("on again: expected %v", record.Expected)
		}
		r.counts(map[string]int64{"escalation": 1})
	})
}
