package calib_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/policy/calib"
)

// TestWith: a table with labels added says what one of all of them says: the
// same where every score has a bin of its own, about the same where not.
func TestWith(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct {
		before, added int
		apart         float64 // on the mean over all scores
	}{{50, 60, 1e-9}, {1, 1, 1e-9}, {2000, 3000, 0.02}, {5000, 10, 0.02}} {
		old, fresh := drawn(r, c.before, "chat"), append(drawn(r, c.added, "chat"), drawn(r, c.added, "math")...)
		got, err := fit(t, old).With(fresh)
		if err != nil {
			t.Fatal(err)
		}
		want := fit(t, slices.Concat(old, fresh))
		if got.Model() != want.Model() || !slices.Equal(got.Tasks(), want.Tasks()) || got.Labels("") != want.Labels("") || got.Labels("chat") != want.Labels("chat") {
			t.Errorf("%d and %d: got %v of %d, want %v of %d", c.before, c.added, got.Tasks(), got.Labels(""), want.Tasks(), want.Labels(""))
		}
		for _, task := range []string{"chat", "math", "other"} {
			sum := 0.0
			for i := range 100 {
				a, _ := got.Good(task, float64(i)/100)
				b, _ := want.Good(task, float64(i)/100)
				sum += math.Abs(a - b)
			}
			if sum/100 > c.apart {
				t.Errorf("%d and %d: %s is %v apart", c.before, c.added, task, sum/100)
			}
		}
		text, err := got.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := calib.Decode(text); err != nil {
			t.Errorf("%d and %d: its file is not taken: %v", c.before, c.added, err)
		}
	}
	if _, err := fit(t, drawn(r, 5, "chat")).With([]calib.Label{{Score: math.NaN()}}); err == nil {
		t.Error("a score that is no number is taken")
	}
}
