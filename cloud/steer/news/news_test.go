package news_test

import (
	"testing"
	"time"

	"nearside/cloud/steer/news"
)

// TestSame: the clock goes on, saves are counted and asks come in, and that is no
// news; what is in force is.
func TestSame(t *testing.T) {
	status := func(change func(*news.Status)) *news.Status {
		s := &news.Status{Version: 7, State: "probation", Trial: &news.Trial{Version: 7, Asks: 3}, Kinds: []news.Result{{Kind: "prices", Version: 1}}}
		change(s)
		return s
	}
	before := status(func(*news.Status) {})
	for _, tt := range []struct {
		name   string
		change func(*news.Status)
		same   bool
	}{
		{"nothing", func(*news.Status) {}, true},
		{"the time", func(s *news.Status) { s.Clock.Time = time.Unix(1, 0) }, true},
		{"a save", func(s *news.Status) { s.Saves++ }, true},
		{"evidence", func(s *news.Status) { s.Evidence = []string{"slower"} }, true},
		{"asks", func(s *news.Status) { s.Trial.Asks = 4 }, true},
		{"a boot", func(s *news.Status) { s.Trial.Boots++ }, false},
		{"the end of the trial", func(s *news.Status) { s.Trial = nil }, false},
		{"the version", func(s *news.Status) { s.Version = 8 }, false},
		{"a document of another kind", func(s *news.Status) { s.Kinds[0].Version++ }, false},
		{"the disk", func(s *news.Status) { s.Unsaved = "it is full" }, false},
	} {
		after := status(tt.change)
		if got, back := before.Same(after), after.Same(before); got != tt.same || back != tt.same {
			t.Errorf("%s: got %t, and %t the other way round", tt.name, got, back)
		}
	}
	if before.Trial.Asks != 3 {
		t.Error("it was changed")
	}
}
