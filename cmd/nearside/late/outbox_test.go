package late_test

import (
	"strings"
	"testing"
	"time"

	"nearside/cloud/push"
	"nearside/cmd/nearside/late"
)

var (
	_ push.Outbox  = late.Outbox{}
	_ push.Counter = late.Outbox{}.Session
)

// TestOutbox: a note that comes before the store is open is kept once it is, and
// session numbers grow over restarts.
func TestOutbox(t *testing.T) {
	l, dir := late.New(), t.TempDir()
	if err := l.Outbox().Add(t.Context(), push.Note{Topic: "evt", Body: []byte("early")}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Outbox().Pending(t.Context(), 9); err == nil || !strings.Contains(err.Error(), "not open") {
		t.Errorf("got %v before the store is open", err)
	}
	var last int64
	for range 2 {
		stop := run(t, l, dir, "")
		notes, err := l.Outbox().Pending(t.Context(), 9)
		if err != nil || len(notes) != 1 || string(notes[0].Body) != "early" {
			t.Errorf("got %+v, %v", notes, err)
		}
		if depth, dropped := l.Outbox().Held(); depth != 1 || dropped != 0 {
			t.Errorf("%d wait, %d dropped", depth, dropped)
		}
		for range 2 {
			n, err := l.Outbox().Session(t.Context(), 0)
			if err != nil || n <= last || n < time.Now().Add(-time.Hour).Unix() {
				t.Errorf("session %d after %d, %v", n, last, err)
			}
			last = n
		}
		if n, err := l.Outbox().Session(t.Context(), last+100); err != nil || n < last+100 {
			t.Errorf("session %d, %v, want at least %d", n, err, last+100)
		}
		last += 100
		stop()
		l = late.New()
	}
	stop := run(t, l, dir, "")
	defer stop()
	notes, _ := l.Outbox().Pending(t.Context(), 9)
	if err := l.Outbox().Done(t.Context(), notes[0].ID); err != nil {
		t.Error(err)
	}
	if depth, _ := l.Outbox().Held(); depth != 0 {
		t.Errorf("%d wait", depth)
	}
}
