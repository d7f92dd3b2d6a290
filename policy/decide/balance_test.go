package decide_test

import (
	"fmt"
	"strings"
	"testing"

	"nearside/policy"
)

// pool is a scene with three cloud targets that are as good as one another, and
// a fourth that is worse.
func pool(t testing.TB, balance string) *scene {
	s := street(t)
	s.Mode = policy.Cloud
	s.Targets = nil
	for i, name := range []string{"a", "b", "c", "bad"} {
		s.Targets = append(s.Targets, policy.Target{
			Name: "cloud/" + name, Services: []string{"chat"}, Usable: true, P50MS: ptr(500.0 - 100*float64(i)), ErrorRate: ptr(0.0), InFlight: (i + 2) % 3,
		})
	}
	s.Targets[3].ErrorRate = ptr(0.9)
	s.doc.Services["chat"] = policy.Service{Ladder: policy.Rungs(), Fresh: "never", Balance: balance, Commit: s.doc.Services["chat"].Commit}
	return s
}

// members are the plan's first cloud targets, in order.
func (s *scene) members() string {
	var names []string
	for _, m := range s.decide().Steps[0].Members {
		names = append(names, strings.TrimPrefix(m.Target, "cloud/"))
	}
	return strings.Join(names, " ")
}

func TestBalance(t *testing.T) {
	for _, tt := range []struct {
		balance string
		edit    func(*scene)
		want    string
	}{
		{"", func(*scene) {}, "a b c bad"},
		{"order", func(s *scene) { s.Turn = 1 }, "a b c bad"},
		{"least_connections", func(*scene) {}, "b c a bad"},
		{"score", func(*scene) {}, "c b a bad"},
		{"score", func(s *scene) { s.doc.Score = &policy.Score{Load: 1} }, "b c a bad"},
		{"score", func(s *scene) { s.doc.Score = &policy.Score{Errors: 1}; s.Targets[1].ErrorRate = ptr(0.001) }, "a c b bad"},
		{"score", func(s *scene) { s.rule("r", policy.Effect{Prefer: []string{"cloud/bad"}}) }, "bad b c a"},
		{"round_robin", func(*scene) {}, "a b c bad"},
		{"round_robin", func(s *scene) { s.Turn = 4 }, "b c a bad"},
		{"round_robin", func(s *scene) { s.Turn = 5; s.Targets[0].Usable = false }, "c b bad"},
		{"weighted", func(s *scene) { s.Turn = 2 }, "c a b bad"},
	} {
		s := pool(t, tt.balance)
		tt.edit(s)
		if got := s.members(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.balance, got, tt.want)
		}
	}
}

// TestTurns: in as many turns as there are, each is first as often as it should be.
func TestTurns(t *testing.T) {
	for balance, want := range map[string]string{"round_robin": "map[a:200 b:200 c:200]", "weighted": "map[a:400 b:100 c:100]"} {
		s, first := pool(t, balance), map[string]int{}
		s.Targets[0].Weight = 4
		for s.Turn = range 600 {
			name, _, _ := strings.Cut(s.members(), " ")
			first[name]++
		}
		if got := fmt.Sprint(first); got != want {
			t.Errorf("%s: got %s, want %s", balance, got, want)
		}
	}
}
