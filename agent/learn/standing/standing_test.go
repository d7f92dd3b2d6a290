package standing_test

import (
	"fmt"
	"testing"
	"time"

	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy"
	"nearside/policy/calib"
)

// labels are findings about so many answers, of which those the model was surer
// of than 0.4 are right; they begin at that time, one a second.
func labels(model string, n int, from time.Time) []label.Label {
	var all []label.Label
	for i := range n {
		score := float64(i%10) / 10
		all = append(all, label.Label{
			Decision: fmt.Sprint(from.Unix(), i), Source: label.FromAudit, At: from.Add(time.Duration(i) * time.Second), Model: model, Task: "chat",
			Score: &score, Good: label.Good(score > 0.4), Propensity: 1, Weight: 1,
		})
	}
	return all
}

// TestOf lives through what becomes of a model: each standing follows from the
// evidence and the epoch before.
func TestOf(t *testing.T) {
	begin := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	one, other := calib.Model{Name: "small", SHA256: "m1"}, calib.Model{Name: "small", SHA256: "m2"}
	all := labels("m1", 100, begin)
	drifted := begin.Add(time.Hour)
	var epoch standing.Epoch
	for _, tt := range []struct {
		name   string
		v      standing.Evidence
		state  string
		labels int
	}{
		{"nothing is known", standing.Evidence{Model: one}, standing.Unmeasured, 0},
		{"too little", standing.Evidence{Model: one, Labels: all[:49]}, standing.Unmeasured, 0},
		{"enough", standing.Evidence{Model: one, Labels: all}, standing.Measured, 100},
		{"it drifted", standing.Evidence{Model: one, Labels: all, Doubt: "it drifted", Now: drifted}, standing.Doubted, 100},
		{"still", standing.Evidence{Model: one, Labels: all}, standing.Doubted, 100},
		{"enough since", standing.Evidence{Model: one, Labels: append(labels("m1", 50, drifted), all...)}, standing.Measured, 50},
		{"another model", standing.Evidence{Model: other}, standing.Changed, 0},
		{"at the next start", standing.Evidence{Model: other}, standing.Changed, 0},
		{"that is measured", standing.Evidence{Model: other, Labels: labels("m2", 60, drifted)}, standing.Measured, 60},
	} {
		var s *standing.Standing
		s, epoch = standing.Of(t.Context(), tt.v, epoch)
		if s.State != tt.state || s.Labels != tt.labels || s.Model != tt.v.Model {
			t.Errorf("%s: got %s by %d labels, want %s by %d", tt.name, s.State, s.Labels, tt.state, tt.labels)
		}
		k := s.Known("local/small")
		if tabled := s.State == standing.Measured || s.State == standing.Doubted; (k.Version != nil) != tabled || (k.Why != nil) != (s.State == standing.Doubted) {
			t.Errorf("%s: known is %+v", tt.name, k)
		}
	}
}

// TestTables: what keeps to an error budget, of a target that is measured and of
// one that is not.
func TestTables(t *testing.T) {
	s, _ := standing.Of(t.Context(), standing.Evidence{Model: calib.Model{SHA256: "m1"}, Labels: labels("m1", 1000, time.Unix(0, 0))}, standing.Epoch{})
	none := &standing.Tables{}
	known := none.Replaced("local/small", s)
	ask := &policy.Ask{Service: policy.Chat, Task: "chat"}
	doc := &policy.Document{Check: policy.Check{Budget: map[string]float64{"default": 0.1}}}
	targets := []policy.Target{{Name: "local/small", Services: []string{policy.Chat}}}
	for _, tt := range []struct {
		tables      *standing.Tables
		least, most float64
		judged      bool
	}{{none, 1.01, 1.01, false}, {known, 0.3, 0.6, true}, {known.Replaced("local/small", nil), 1.01, 1.01, false}} {
		all := tt.tables.Expect(doc, ask, "why", targets)
		if len(all) != 1 || *all[0].Threshold < tt.least || *all[0].Threshold > tt.most {
			t.Errorf("got %+v, want a threshold from %v to %v", all, tt.least, tt.most)
		}
		if j := tt.tables.Judge("local/small", ask, new(0.9)); (j.Good != nil) != tt.judged || tt.judged && *j.Good < 0.9 {
			t.Errorf("judged %+v", j)
		}
		if all := tt.tables.Expect(&policy.Document{}, ask, "why", targets); all != nil {
			t.Errorf("a document that relies on nothing: got %+v", all)
		}
	}
}
