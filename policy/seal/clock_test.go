package seal_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/policy/seal"
)

const oneDay = 24 * time.Hour

var (
	built = now.Add(-100 * oneDay)
	y1970 = time.Unix(0, 0).UTC()
	y2100 = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// TestClock: what a device believes of the time.
func TestClock(t *testing.T) {
	kept := seal.Clock{Floor: now.Add(-time.Hour), Anchored: true}
	first := seal.Clock{}
	for name, c := range map[string]struct {
		clock seal.Clock
		e     seal.Evidence
		state string
		time  time.Time
	}{
		"right":                       {kept, seal.Evidence{Wall: now, Build: built}, seal.ClockTrusted, now},
		"right, first boot":           {first, seal.Evidence{Wall: now, Build: built}, seal.ClockTrusted, now},
		"after a year off":            {kept, seal.Evidence{Wall: now.Add(365 * oneDay), Build: built}, seal.ClockTrusted, now.Add(365 * oneDay)},
		"back to 1970":                {kept, seal.Evidence{Wall: y1970, Build: built}, seal.ClockUnknown, kept.Floor},
		"1970 at first boot":          {first, seal.Evidence{Wall: y1970, Build: built}, seal.ClockUnknown, built},
		"a second below":              {kept, seal.Evidence{Wall: kept.Floor.Add(-time.Second), Build: built}, seal.ClockUnknown, kept.Floor},
		"forward to 2100":             {kept, seal.Evidence{Wall: y2100, Build: built}, seal.ClockFloor, kept.Floor},
		"2100 at first boot":          {first, seal.Evidence{Wall: y2100, Build: built}, seal.ClockFloor, built},
		"newer program":               {kept, seal.Evidence{Wall: now, Build: now.Add(oneDay)}, seal.ClockUnknown, now.Add(oneDay)},
		"two years off, synchronised": {kept, seal.Evidence{Wall: now.Add(730 * oneDay), Build: built, Synced: true}, seal.ClockTrusted, now.Add(730 * oneDay)},
		"two years off, server":       {kept, seal.Evidence{Wall: now.Add(730 * oneDay), Build: built, Server: now.Add(730 * oneDay)}, seal.ClockTrusted, now.Add(730 * oneDay)},
		"1970, server":                {kept, seal.Evidence{Wall: y1970, Build: built, Server: now}, seal.ClockTrusted, now},
		"2100, server":                {kept, seal.Evidence{Wall: y2100, Build: built, Server: now}, seal.ClockTrusted, now},
		"2100, synchronised":          {kept, seal.Evidence{Wall: y2100, Build: built, Synced: true}, seal.ClockFloor, kept.Floor},
		"server says 2100":            {kept, seal.Evidence{Wall: now, Build: built, Server: y2100}, seal.ClockTrusted, now},
		"server says 1970":            {kept, seal.Evidence{Wall: now, Build: built, Server: y1970}, seal.ClockTrusted, now},
	} {
		got := c.clock.Read(c.e)
		if got.State != c.state || !got.Time.Equal(c.time) {
			t.Errorf("%s: got %s %v, want %s %v", name, got.State, got.Time, c.state, c.time)
		}
	}
}

// TestExpiry: what ended before the floor has ended whatever the clock tells,
// and nothing else ends or begins by a clock that is not trusted.
func TestExpiry(t *testing.T) {
	f := newFleet(t)
	kept := seal.Clock{Floor: now, Anchored: true}
	for _, c := range []struct {
		name         string
		wall, before time.Time
		after        time.Time
		want         string
	}{
		{"in time", now.Add(time.Hour), time.Time{}, now.Add(2 * time.Hour), ""},
		{"expired", now.Add(3 * time.Hour), time.Time{}, now.Add(2 * time.Hour), seal.Expired},
		{"1970, would be expired", y1970, time.Time{}, now.Add(2 * time.Hour), ""},
		{"1970, expired before the floor", y1970, time.Time{}, now.Add(-time.Second), seal.Expired},
		{"2100, not expired by that", y2100, time.Time{}, now.Add(2 * time.Hour), ""},
		{"2100, expired before the floor", y2100, time.Time{}, now.Add(-time.Second), seal.Expired},
		{"not yet", now.Add(time.Hour), now.Add(2 * time.Hour), time.Time{}, seal.NotYetValid},
		{"begun", now.Add(3 * time.Hour), now.Add(2 * time.Hour), time.Time{}, ""},
		{"1970, begun before the floor", y1970, now.Add(-time.Hour), time.Time{}, ""},
		{"1970, who knows", y1970, now.Add(time.Hour), time.Time{}, seal.NotYetValid},
		{"2100, who knows", y2100, now.Add(time.Hour), time.Time{}, seal.NotYetValid},
	} {
		envelope := f.signed(func(p *seal.Payload) { p.NotBefore, p.NotAfter = c.before, c.after })
		_, err := f.root.Verify(envelope, device, nil, kept.Read(seal.Evidence{Wall: c.wall, Build: built}))
		refused(t, c.name, err, c.want)
	}
}

// TestRaise: how far one look at the time may carry the floor.
func TestRaise(t *testing.T) {
	kept := seal.Clock{Floor: now, Anchored: true}
	year := now.Add(365 * oneDay)
	for name, c := range map[string]struct {
		clock seal.Clock
		e     seal.Evidence
		want  seal.Clock
	}{
		"an hour on":            {kept, seal.Evidence{Wall: now.Add(time.Hour), Elapsed: time.Hour}, seal.Clock{Floor: now.Add(time.Hour), Anchored: true}},
		"a year on, one step":   {kept, seal.Evidence{Wall: year, Elapsed: time.Hour}, seal.Clock{Floor: now.Add(25 * time.Hour), Anchored: true}},
		"a year on, confirmed":  {kept, seal.Evidence{Wall: year, Synced: true}, seal.Clock{Floor: year, Anchored: true}},
		"a year on, the server": {kept, seal.Evidence{Wall: now, Server: year}, seal.Clock{Floor: year, Anchored: true}},
		"2100":                  {kept, seal.Evidence{Wall: y2100, Elapsed: time.Hour}, kept},
		"1970":                  {kept, seal.Evidence{Wall: y1970, Elapsed: time.Hour}, kept},
		"server of 2100":        {kept, seal.Evidence{Wall: now, Server: y2100}, kept},
		"a clock run backwards": {kept, seal.Evidence{Wall: now.Add(48 * time.Hour), Elapsed: -time.Hour}, seal.Clock{Floor: now.Add(oneDay), Anchored: true}},
		"first boot, long ago":  {seal.Clock{}, seal.Evidence{Wall: now, Build: built}, seal.Clock{Floor: built.Add(oneDay)}},
		"first boot, reached":   {seal.Clock{}, seal.Evidence{Wall: now, Build: now.Add(-time.Hour)}, seal.Clock{Floor: now, Anchored: true}},
	} {
		if got := c.clock.Raise(c.e); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// TestRaiseWithoutAnchor: a program that was built long ago is still believed
// on its second boot, when its floor took one step only.
func TestRaiseWithoutAnchor(t *testing.T) {
	e := seal.Evidence{Wall: now, Build: now.Add(-900 * oneDay)}
	c := seal.Clock{}
	for range 1000 {
		if r := c.Read(e); r.State != seal.ClockTrusted {
			t.Fatalf("a right clock is %s at the floor %v", r.State, c.Floor)
		}
		c = c.Raise(e)
	}
	if !c.Anchored || !c.Floor.Equal(now) {
		t.Errorf("the floor never reached the clock: %+v", c)
	}
}

// TestHeard: whose word raises the floor, and how far.
func TestHeard(t *testing.T) {
	kept := seal.Clock{Floor: now, Anchored: true}
	for name, c := range map[string]struct {
		clock  seal.Clock
		wall   time.Time
		issued time.Time
		moves  bool
	}{
		"just now":                {kept, now.Add(time.Hour), now.Add(50 * time.Minute), true},
		"before the floor":        {kept, now.Add(time.Hour), now.Add(-time.Hour), false},
		"clocks differ a little":  {kept, now.Add(time.Hour), now.Add(20 * time.Hour), true},
		"ahead of a right clock":  {kept, now.Add(time.Hour), now.Add(26 * time.Hour), false},
		"1970, a month on":        {kept, y1970, now.Add(30 * oneDay), true},
		"1970, issued in 2100":    {kept, y1970, y2100, false},
		"1970, first boot":        {seal.Clock{}, y1970, now, true},
		"asleep for two years":    {kept, now.Add(730 * oneDay), now.Add(729 * oneDay), true},
		"2100, issued in 2100":    {kept, y2100, y2100.Add(48 * time.Hour), false},
		"2100, issued a month on": {kept, y2100, now.Add(30 * oneDay), true},
	} {
		want := c.clock
		if c.moves {
			want = seal.Clock{Floor: c.issued, Anchored: true}
		}
		if got := c.clock.Heard(c.issued, seal.Evidence{Wall: c.wall, Build: built}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestPoison: a clock that is a year ahead for a month cannot carry the floor
// further than a day a save, and a server that agrees with the clock, once it is
// right again, brings the floor down; neither of them alone does.
func TestPoison(t *testing.T) {
	c := seal.Clock{Floor: now, Anchored: true}
	for range 30 {
		c = c.Raise(seal.Evidence{Wall: now.Add(365 * oneDay), Build: built})
	}
	if got := c.Floor.Sub(now); got != 30*oneDay {
		t.Fatalf("the floor was carried %v", got)
	}
	right := seal.Evidence{Wall: now.Add(time.Hour), Build: built}
	if r := c.Read(right); r.State != seal.ClockUnknown {
		t.Errorf("below a poisoned floor the clock is %s", r.State)
	}
	synced, server, apart := right, right, right
	synced.Synced = true
	server.Server = right.Wall.Add(time.Minute)
	apart.Server = right.Wall.Add(2 * time.Hour)
	older := server
	older.Build = server.Server.Add(time.Minute)
	for name, e := range map[string]seal.Evidence{"alone": right, "synchronised": synced, "apart": apart, "before the build": older} {
		if got := c.Raise(e); got != c {
			t.Errorf("%s: the floor went to %v", name, got.Floor)
		}
	}
	c = c.Raise(server)
	if r := c.Read(server); r.State != seal.ClockTrusted || !r.Time.Equal(server.Server) {
		t.Errorf("after recovery: %+v at the floor %v", r, c.Floor)
	}
}

// TestClockAlways: whatever is told, a floor never falls without a server, never
// stands below the build, and rises by what is allowed.
func TestClockAlways(t *testing.T) {
	times := rapid.Custom(func(t *rapid.T) time.Time {
		return y1970.Add(time.Duration(rapid.Int64Range(0, 130*365*24).Draw(t, "hours")) * time.Hour)
	})
	rapid.Check(t, func(t *rapid.T) {
		c := seal.Clock{Floor: times.Draw(t, "floor"), Anchored: rapid.Bool().Draw(t, "anchored")}
		e := seal.Evidence{Wall: times.Draw(t, "wall"), Build: times.Draw(t, "build"), Elapsed: time.Duration(rapid.Int64().Draw(t, "elapsed"))}
		floor := c.Floor
		if e.Build.After(floor) {
			floor = e.Build
		}
		if r := c.Read(e); r.Time.Before(floor) {
			t.Fatalf("reads %v below the floor %v", r.Time, floor)
		}
		next := c.Raise(e)
		if next.Floor.Before(c.Floor) {
			t.Fatalf("the floor fell from %v to %v", c.Floor, next.Floor)
		}
		if most := min(max(e.Elapsed, 0), 400*oneDay) + oneDay; next.Floor.Sub(floor) > most {
			t.Fatalf("the floor rose by %v", next.Floor.Sub(floor))
		}
		if heard := c.Heard(times.Draw(t, "issued"), e); heard.Floor.Before(c.Floor) {
			t.Fatalf("a document lowered the floor from %v to %v", c.Floor, heard.Floor)
		}
	})
}
