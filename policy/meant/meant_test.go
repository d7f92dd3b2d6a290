package meant_test

import (
	"strings"
	"testing"

	"nearside/policy/meant"
)

func TestClosest(t *testing.T) {
	known := []string{"battery", "cpu", "canary", "canarys", "on"}
	for _, c := range []struct {
		word string
		want int
	}{
		{"battery", 0}, {"Batery", 0}, {"battrey", 0}, {"btteryy", 0}, {"bttry", 0}, {"abtteyr", 0}, {"abtteyrr", -1},
		{"cpuu", 1}, {"cu", 1}, {"gpu", 1}, {"pcu", 1}, {"ucp", -1}, {"c", -1},
		{"canary", 2}, {"canry", 2}, {"canarys", 3}, {"canaryz", 2},
		{"onn", 4}, {"", -1}, {"x", -1}, {"weather", -1},
		{strings.Repeat("battery", 10), -1},
	} {
		if got := meant.Closest(c.word, known); got != c.want {
			t.Errorf("%q: got %d, want %d", c.word, got, c.want)
		}
	}
	if got := meant.Closest("cam-1", []string{"CAM-1"}); got != 0 {
		t.Errorf("got %d of a word in capitals", got)
	}
	if got := meant.Closest(strings.Repeat("a", 64), []string{strings.Repeat("a", 65)}); got != -1 {
		t.Errorf("got %d of a known word that is too long", got)
	}
}
