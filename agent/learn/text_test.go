package learn_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"nearside/agent"
	"nearside/agent/learn"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/deferral"
)

// staysHere are rules that make every ask private.
func staysHere() []policy.Rule {
	return []policy.Rule{{Name: "here", Then: policy.Effect{Privacy: policy.Private}}}
}

// Kinds of questions: what the device can, and what it cannot.
const (
	lamp  = "Turn on the %s lamp in the room of my %s"
	proof = "Prove that every %s group has a normal subgroup of %s"
)

// said is the i-th question of a kind; it has words of its own.
func said(kind string, i int) string {
	word := func(n int) string { return string([]rune{rune('a' + n%23), 'o', rune('b' + n%19), 'a'}) }
	return fmt.Sprintf(kind, word(i), word(7*i/23))
}

// topics has the device be asked n questions of each kind, unsure of all its
// answers; of some in ten answers that the kind is wrong about.
func (r *room) topics(n, wrong int) {
	r.t.Helper()
	for i := range 2 * n {
		kind, good := lamp, i/2%10 >= wrong
		if i%2 == 1 {
			kind, good = proof, !good
		}
		r.near, r.far, r.sure = "Lyon", "Paris", 0.1+0.001*float64(i%50)
		if good {
			r.near = "Paris"
		}
		r.ask(said(kind, i), nil)
	}
	r.settle()
}

// text is what is known of the words of questions.
func (r *room) text() standing.Text {
	r.t.Helper()
	known := r.learner.Report().Targets
	if len(known) != 1 || known[0].Text == nil {
		r.t.Fatalf("got %+v, want to know of texts", known)
	}
	return *known[0].Text
}

// foreseen is what is expected of the device with a question.
func (r *room) foreseen(question string, change func(*agent.Input)) policy.Estimate {
	r.t.Helper()
	record := r.ask(question, change)
	e := record.Estimate("local/small")
	if e == nil {
		r.t.Fatalf("%s: nothing is expected", question)
	}
	plan := decide.Plan(r.agent.Policy().Doc, &record.Ask, &record.Signals)
	if got, want := fmt.Sprint(plan), fmt.Sprint(record.Plan); got != want {
		r.t.Errorf("decided again: %s, want %s", got, want)
	}
	return *e
}

// TestText: once labels show that words tell something, they sway what is
// expected of the device, by question, and in the next life as before.
func TestText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", skip: 0.01}
		r.open()
		defer func() { r.leave() }()
		r.topics(90, 1)
		if got := r.text(); got.InForce || got.Explained != nil || got.Labels < 150 {
			t.Errorf("of few labels: %+v", got)
		}
		r.topics(60, 1)
		known := r.text()
		if !known.InForce || known.Labels < 250 || *known.Explained < 0.3 || *known.Error <= 0 || known.Version == nil {
			t.Fatalf("got %+v", known)
		}
		easy, hard := r.foreseen(said(lamp, 77), nil), r.foreseen(said(proof, 78), nil)
		if easy.Good < 0.65 || hard.Good > 0.35 || !strings.HasSuffix(easy.From, " with text") {
			t.Errorf("expected %+v of what the device can, %+v of what it cannot", easy, hard)
		}
		cloud := r.doc.Quality.Cloud["default"]
		for _, e := range []policy.Estimate{easy, hard} {
			if e.Gain == nil || e.Good+*e.Gain < cloud-1e-9 || e.Good+*e.Gain > cloud+1e-9 {
				t.Errorf("%+v: the cloud must stay as good as the policy has it, %v", e, cloud)
			}
		}
		private := func(in *agent.Input) { in.Privacy = policy.Private }
		if e := r.foreseen(said(proof, 79), private); e.Gain != nil {
			t.Errorf("a private question was looked at: %+v", e)
		}
		for _, e := range r.ask(strings.Repeat("Prove it. ", 300), nil).Expected {
			if e.Gain != nil {
				t.Errorf("a long question was looked at: %+v", e)
			}
		}
		r.settle()
		r.leave()
		r.disk = &disk{labels: r.disk.kept(), facts: map[string]string{}, records: map[string][]byte{}}
		for _, i := range []int{1, 7, 20} {
			r.disk.labels[i].Sketch = []byte("damaged")
		}
		r.open()
		again := r.text()
		r.leave()
		r.open()
		if same := r.text(); !again.InForce || again.Labels < known.Labels-3 || *same.Version != *again.Version {
			t.Errorf("after a kill %+v, then %+v; want at least %+v", again, same, known)
		}
	})
}

// TestNoText: where words do not serve, nothing is swayed by them.
func TestNoText(t *testing.T) {
	for name, change := range map[string]func(r *room){
		"another model": func(r *room) { r.model = "m2"; r.prior = prior(r.t, "m2") },
		"off":           func(r *room) { r.set.Off = true; r.prior = prior(r.t, "m1") },
		"a doubt": func(r *room) {
			r.disk.facts["learn_epoch/local/small"] = `{"model":"m1","since":"2100-01-01T00:00:00Z","doubt":"it drifted"}`
		},
		"labels from before sketches": func(r *room) {
			for i := range r.disk.labels {
				r.disk.labels[i].Sketch = nil
			}
		},
		"damaged sketches": func(r *room) {
			for i := range r.disk.labels {
				r.disk.labels[i].Sketch = []byte("?")
			}
		},
		"a policy without estimates": func(r *room) { r.skip, r.budget = 0, map[string]float64{"default": 0.3} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &room{t: t, disk: newDisk(), model: "m1", skip: 0.01}
				r.open()
				r.topics(110, 1)
				if got := r.text(); !got.InForce {
					t.Fatalf("got %+v", got)
				}
				r.leave()
				change(r)
				r.open()
				defer r.leave()
				for _, e := range r.ask(said(proof, 7), nil).Expected {
					if e.Gain != nil || strings.Contains(e.From, "text") {
						t.Errorf("expected %+v", e)
					}
				}
			})
		})
	}
}

// TestTextOfNoise: where words tell nothing they are not in force, and the
// report says what they were found to be worth.
func TestTextOfNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", skip: 0.01}
		r.open()
		defer r.leave()
		r.topics(110, 5)
		if got := r.text(); got.InForce || got.Labels < 200 || got.Explained == nil || *got.Explained > 0.1 || got.Version != nil {
			t.Errorf("got %+v", got)
		}
	})
}

// TestJudgedText: verdicts of callers count with the words of the question, as
// long as the daemon lives and few others were asked.
func TestJudgedText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, disk: newDisk(), model: "m1", near: "Paris", far: "Paris", sure: 0.9}
		r.open()
		defer func() { r.leave() }()
		judged := func(id string) label.Label {
			t.Helper()
			if _, err := r.learner.Feedback(t.Context(), learn.Verdict{Decision: id, Good: true}); err != nil {
				t.Fatal(err)
			}
			all := r.disk.kept()
			return all[len(all)-1]
		}
		first := r.ask(capital, nil).ID
		if got := judged(first); string(got.Sketch) != string(deferral.SketchOf(capital)) {
			t.Errorf("got %+v", got)
		}
		if got := judged(r.ask(capital, func(in *agent.Input) { in.Privacy = policy.Private }).ID); got.Sketch != nil {
			t.Errorf("private: got %+v", got)
		}
		old := r.ask(capital, nil).ID
		for range 256 {
			r.ask(capital, nil)
		}
		if got := judged(old); got.Sketch != nil {
			t.Errorf("long ago: got %+v", got)
		}
		before := r.ask(capital, nil).ID
		r.learner.Swap(learn.Settings{Off: true})
		r.learner.Swap(learn.Settings{})
		if got := judged(before); got.Sketch != nil {
			t.Errorf("it was off meanwhile: got %+v", got)
		}
	})
}

// TestSketch: labels of what may be kept have a sketch of the question, others
// have none, whoever made them so.
func TestSketch(t *testing.T) {
	invalid := func(in *agent.Input) {
		in.Check = func(answer []byte) error {
			if !json.Valid(answer) {
				return fmt.Errorf("no JSON")
			}
			return nil
		}
	}
	both := func(change func(*agent.Input)) func(*agent.Input) {
		return func(in *agent.Input) { invalid(in); change(in) }
	}
	for _, c := range []struct {
		name     string
		question string
		change   func(*agent.Input)
		rules    []policy.Rule
		want     bool
	}{
		{"plain", capital, invalid, nil, true},
		{"long", strings.Repeat("long ", 500), both(func(in *agent.Input) { in.Mode = policy.Local }), nil, false},
		{"private", capital, both(func(in *agent.Input) { in.Privacy = policy.Private }), nil, false},
		{"private by a rule", capital, invalid, staysHere(), false},
		{"no-store", capital, both(func(in *agent.Input) { in.Cache.NoStore = true }), nil, false},
		{"on the device only", capital, both(func(in *agent.Input) { in.Mode = policy.Local }), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &room{t: t, disk: newDisk(), model: "m1", near: "Lyon", far: `"Paris"`, sure: 0.9, rules: c.rules}
				r.open()
				defer r.leave()
				r.ask(c.question, c.change)
				r.counts(map[string]int64{"schema": 1})
				if len(r.disk.kept()) == 0 {
					return // and counts has said so
				}
				got := r.disk.kept()[0].Sketch
				if (got != nil) != c.want || strings.Contains(string(got), "France") {
					t.Errorf("sketch %q", got)
				}
			})
		})
	}
}
