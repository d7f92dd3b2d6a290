package push

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestBackoff: windows grow as the page says, and jitter picks within them.
func TestBackoff(t *testing.T) {
	none := ending{err: errFrozen}
	short, long := ending{up: true, held: time.Second}, ending{up: true, held: time.Hour / 2}
	taken := ending{up: true, held: time.Second, taken: true}
	for name, c := range map[string]struct {
		ends []ending
		want []time.Duration // the longest waits
	}{
		"never connected": {[]ending{none, none, none, none, none, none, none, none, none, none}, secs(1, 2, 4, 8, 16, 32, 64, 128, 256, 300)},
		"a working link":  {[]ending{long, none, none, none, none, none, long}, secs(30, 60, 120, 240, 300, 300, 30)},
		"a flapping one":  {[]ending{short, short, short, short, short}, secs(30, 60, 120, 240, 300)},
		"renewed":         {[]ending{none, none, {up: true, again: true}, none}, secs(1, 2, 0, 4)},
		"taken over":      {[]ending{long, taken, short, long, short, long, long}, secs(30, 300, 600, 1200, 2400, 3600, 3600)},
		"calm again":      {[]ending{taken, {up: true, held: 2 * time.Hour}, short}, secs(300, 30, 60)},
	} {
		b := backoff{}
		b.pace.fill()
		for i, e := range c.ends {
			most := func(d time.Duration) time.Duration { return d }
			if got := b.wait(e, most); got != c.want[i] {
				t.Errorf("%s: wait %d is at most %s, want %s", name, i, got, c.want[i])
			}
		}
	}
}

// TestBackoffSoonAfterALoss: while the loss is less than the first window ago,
// the window stays.
func TestBackoffSoonAfterALoss(t *testing.T) {
	b, windows := backoff{}, []time.Duration{}
	b.pace.fill()
	third := func(d time.Duration) time.Duration { windows = append(windows, d); return d / 3 }
	b.wait(ending{up: true, held: time.Hour / 2}, third)
	for range 4 {
		b.wait(ending{err: errFrozen}, third)
	}
	if want := secs(30, 30, 30, 60, 120); !slices.Equal(windows, want) {
		t.Errorf("got windows %v, want %v", windows, want)
	}
}

func secs(list ...int) (d []time.Duration) {
	for _, s := range list {
		d = append(d, time.Duration(s)*time.Second)
	}
	return d
}

// TestWatch: an idle link pings at its keep-alive; a broker that owes an answer
// for too long is dead; a keep-alive that changes counts.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		at := func(after time.Duration) time.Time { return begun.Add(after) }
		idle := watch{announced: 5 * time.Minute, answer: 30 * time.Second, begun: begun, sent: begun, heard: begun}
		with := func(change func(*watch)) *watch { w := idle; change(&w); return &w }
		for name, c := range map[string]struct {
			w     *watch
			after time.Duration
			alive time.Duration
			want  verdict
		}{
			"idle":            {&idle, time.Minute, 5 * time.Minute, verdict{again: 4 * time.Minute}},
			"time to ping":    {&idle, 5 * time.Minute, 5 * time.Minute, verdict{ping: true, again: 30 * time.Second}},
			"shorter wanted":  {&idle, time.Minute, time.Minute, verdict{ping: true, again: 30 * time.Second}},
			"longer wanted":   {&idle, 5 * time.Minute, time.Hour, verdict{ping: true, again: 30 * time.Second}},
			"long after":      {with(func(w *watch) { w.sent, w.heard = at(time.Hour), at(time.Hour) }), 65 * time.Minute, 10 * time.Minute, verdict{ping: true, renew: true, again: 30 * time.Second}},
			"heard long ago":  {with(func(w *watch) { w.sent = at(4 * time.Minute) }), 5 * time.Minute, 5 * time.Minute, verdict{ping: true, again: 30 * time.Second}},
			"ping under way":  {with(func(w *watch) { w.pinged = at(5 * time.Minute) }), 5*time.Minute + 10*time.Second, 5 * time.Minute, verdict{again: 20 * time.Second}},
			"no answer":       {with(func(w *watch) { w.pinged = at(5 * time.Minute) }), 5*time.Minute + 30*time.Second, 5 * time.Minute, verdict{dead: errFrozen}},
			"note under way":  {with(func(w *watch) { w.owed = at(time.Minute) }), time.Minute, 5 * time.Minute, verdict{again: 30 * time.Second}},
			"note unanswered": {with(func(w *watch) { w.owed, w.heard = at(time.Minute), at(2*time.Minute) }), 2 * time.Minute, 5 * time.Minute, verdict{dead: errFrozen}},
		} {
			got := c.w.look(at(c.after), c.alive)
			if !errors.Is(got.dead, c.want.dead) {
				t.Errorf("%s: dead is %v, want %v", name, got.dead, c.want.dead)
			}
			got.dead, c.want.dead = nil, nil
			if c.want != (verdict{}) && got != c.want {
				t.Errorf("%s: got %+v, want %+v", name, got, c.want)
			}
		}
	})
}

// TestRest: a wait is cut short when the network comes back, and by the end.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Brokers: []string{"tcp://broker"}, Tenant: "a", Device: "d", Outbox: nothing{}, Deliver: nothing{}.deliver,
			Jitter: func(d time.Duration) time.Duration { return d }}
		l, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		rested := func(e ending, nudge time.Duration) time.Duration {
			begun := time.Now()
			if nudge > 0 {
				time.AfterFunc(nudge, l.Online)
			}
			l.rest(t.Context(), 5*time.Minute, e)
			return time.Since(begun)
		}
		if got := rested(ending{}, 0); got != 5*time.Minute {
			t.Errorf("the whole wait took %s", got)
		}
		if got := rested(ending{}, time.Minute); got != time.Minute+5*time.Second {
			t.Errorf("the wait that was cut short took %s", got)
		}
		if got := rested(ending{taken: true}, time.Minute); got != 5*time.Minute {
			t.Errorf("the wait between two devices of one name took %s", got)
		}
	})
}
