package network_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/cloud/network"
)

// story is a machine whose time the test moves.
type story struct {
	*network.Machine
	at time.Time
}

func newStory() *story {
	at := time.Unix(0, 0)
	return &story{network.New(at, 0), at}
}

func (s *story) pass(d time.Duration) { s.at = s.at.Add(d) }

// answer has a target answer the first token of a stream after so long.
func (s *story) answer(target string, first time.Duration) {
	s.Answer(s.at, network.ByCalls, target, network.Pace{First: first})
}

// miss has a call to the target meet something else, while others may be called.
func (s *story) miss(target string, met network.Evidence, others ...string) {
	s.Miss(s.at, network.Miss{Source: network.ByCalls, Target: target, Met: met, Others: others})
}

func (s *story) is(t *testing.T, when, state string) {
	t.Helper()
	if v := s.Look(s.at); v.State != state {
		t.Errorf("%s: got %s by %s, want %s", when, v.State, v.Source, state)
	}
}

// TestDegraded is a network whose targets answer far later than they did, or
// not every time; a while of good calls ends it, and so does a long silence.
func TestDegraded(t *testing.T) {
	bad := map[string]func(s *story, i int){
		"late": func(s *story, _ int) { s.answer("a", 10*time.Second) },
		"every other call": func(s *story, i int) {
			if i%2 == 0 {
				s.miss("a", network.Silence, "b")
				return
			}
			s.answer("a", time.Second)
		},
	}
	for name, call := range bad {
		s := newStory()
		for range 10 {
			s.answer("a", time.Second)
			s.pass(time.Second)
		}
		for i := range 3 {
			call(s, i)
		}
		s.is(t, name+", for a moment", network.Online)
		for i := range 20 {
			call(s, i+3)
			s.pass(time.Second)
		}
		s.is(t, name, network.Degraded)
		s.pass(time.Minute)
		for range 4 {
			s.answer("a", time.Second)
		}
		s.is(t, name+", then four good calls", network.Degraded)
		s.answer("a", time.Second)
		s.is(t, name+", then five", network.Online)
	}
}

func TestDegradedIsForgotten(t *testing.T) {
	s := newStory()
	s.answer("a", time.Second)
	for range 10 {
		s.answer("a", 10*time.Second)
	}
	s.is(t, "late", network.Degraded)
	s.pass(9 * time.Minute)
	s.is(t, "nobody asks", network.Degraded)
	s.pass(2 * time.Minute)
	s.is(t, "nobody asks for long", network.Unknown)
}

// TestOneIsGone does not make the network degraded: the others answer.
func TestOneIsGone(t *testing.T) {
	s := newStory()
	for range 30 {
		s.answer("b", time.Second)
		s.miss("a", network.Silence, "b")
		s.pass(time.Second)
	}
	s.is(t, "one never answers", network.Online)
}

// TestUntried are those that alone keep the network from being lost.
func TestUntried(t *testing.T) {
	for name, c := range map[string]struct {
		tell func(s *story)
		want []string
	}{
		"one miss":            {func(s *story) { s.miss("a", network.Silence, "b", "c") }, nil},
		"two":                 {func(s *story) { s.miss("a", network.Silence, "b", "c"); s.miss("b", network.Silence, "a", "c") }, []string{"c"}},
		"no route for one":    {func(s *story) { s.answer("b", 0); s.miss("a", network.NoRoute, "b") }, []string{"b"}},
		"no route for any":    {func(s *story) { s.miss("a", network.NoRoute, "b") }, nil},
		"somebody answered":   {func(s *story) { s.miss("a", network.NoRoute, "b"); s.answer("b", 0) }, nil},
		"somebody is there":   {func(s *story) { s.answer("b", 0); s.miss("a", network.NoRoute, "b"); s.Contact(s.at, network.ByCalls) }, nil},
		"all were tried":      {func(s *story) { s.miss("a", network.Silence, "b"); s.miss("b", network.Silence, "a") }, nil},
		"on another network":  {func(s *story) { s.answer("b", 0); s.miss("a", network.NoRoute, "b"); s.Link(s.at, false, true) }, nil},
		"there are no others": {func(s *story) { s.miss("a", network.Silence); s.miss("a", network.Silence) }, nil},
	} {
		s := newStory()
		c.tell(s)
		if got := s.Untried(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		due, ok := s.ProbeDue(s.at)
		if wanted := len(c.want) > 0 || s.Look(s.at).Lost(); ok != wanted || len(c.want) > 0 && due.After(s.at) {
			t.Errorf("%s: a probe is wanted: %v at %v", name, ok, due)
		}
	}
}

// TestAnotherNetwork ends what calls said of the one before.
func TestAnotherNetwork(t *testing.T) {
	for _, met := range []network.Evidence{network.Silence, network.Intercepted} {
		s := newStory()
		s.miss("a", met)
		s.miss("a", met)
		if v := s.Look(s.at); !v.Lost() {
			t.Fatalf("got %+v, want it lost", v)
		}
		s.Link(s.at, false, false)
		if v := s.Look(s.at); !v.Lost() {
			t.Errorf("the same links: got %+v, want it lost", v)
		}
		s.Link(s.at, false, true)
		s.is(t, "other links", network.Unknown)
	}
}

// TestLostFromPortal tells a portal from a network that went away meanwhile.
func TestLostFromPortal(t *testing.T) {
	s := newStory()
	for range 2 {
		s.miss("a", network.Intercepted, "b")
		s.miss("b", network.Silence, "a")
	}
	s.is(t, "one is answered for, one is silent", network.Portal)
	s.pass(time.Minute)
	s.miss("a", network.Silence, "b")
	s.is(t, "both are silent", network.Offline)
	s.Contact(s.at, network.ByProbe)
	s.is(t, "somebody is there", network.Unknown)
}

// TestSettles does not lose a network again that came back only just now.
func TestSettles(t *testing.T) {
	s := newStory()
	lose := func() { s.miss("a", network.Silence); s.miss("a", network.Silence) }
	lose()
	s.is(t, "silent", network.Offline)
	s.answer("a", 0)
	lose()
	s.is(t, "again at once", network.Online)
	s.pass(10 * time.Second)
	lose()
	s.is(t, "again later", network.Offline)
}

// TestFoundIsWell does not hold against a network what calls met while it was
// lost.
func TestFoundIsWell(t *testing.T) {
	s := newStory()
	for range 2 {
		for range 4 {
			s.miss("a", network.Intercepted, "b")
			s.miss("b", network.Intercepted, "a")
		}
		s.is(t, "lost", network.Portal)
		s.pass(time.Minute)
		for range 5 {
			s.answer("a", time.Second)
			s.answer("b", time.Second)
		}
		s.is(t, "found", network.Online)
		s.pass(time.Minute)
	}
}

// states are all that a network can be in.
var states = []string{network.Unknown, network.Online, network.Metered, network.Portal, network.Degraded, network.Offline}

// TestHostOutranks shows what the host app says, for as long as it holds, and
// what was found out meanwhile after it.
func TestHostOutranks(t *testing.T) {
	for _, state := range states {
		s := newStory()
		s.Host(state, s.at.Add(time.Minute))
		s.Link(s.at, true, false)
		if v := s.Look(s.at); v.State != state || v.Source != network.ByHost {
			t.Errorf("got %+v, want %s by the host", v, state)
		}
		if due, ok := s.ProbeDue(s.at); ok {
			t.Errorf("%s: a probe is due at %v", state, due)
		}
		if end := s.Lapse(s.at); !end.Equal(s.at.Add(time.Minute)) {
			t.Errorf("%s: lapses at %v", state, end)
		}
		s.pass(time.Minute)
		s.is(t, state+" is over", network.Offline)
		if end := s.Lapse(s.at); !end.IsZero() {
			t.Errorf("%s: still lapses at %v", state, end)
		}
	}
}

// TestNoFlapping has random evidence never change the state more often than
// its bounds allow: what calls lose stays found for 10 s before they can lose
// it again, and 30 s lie between two changes from online to degraded or back.
func TestNoFlapping(t *testing.T) {
	targets := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		s := newStory()
		was, story := s.Look(s.at), []string{}
		var lost, found, eased time.Time
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			s.pass(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, 7 * time.Second, time.Minute}).Draw(t, "passes"))
			x := rapid.SampledFrom(targets).Draw(t, "target")
			what := rapid.IntRange(0, 5).Draw(t, "event")
			switch what {
			case 0:
				s.Contact(s.at, network.ByCalls)
			case 1, 2, 3:
				usable := rapid.SliceOfNDistinct(rapid.SampledFrom(targets), 0, 2, rapid.ID).Draw(t, "others")
				others := slices.DeleteFunc(usable, func(o string) bool { return o == x })
				s.miss(x, network.Evidence(what-1), others...)
			default:
				s.answer(x, time.Duration(rapid.IntRange(0, 30).Draw(t, "first"))*time.Second)
			}
			now := s.Look(s.at)
			story = append(story, fmt.Sprintf("%v %d %s: %s", s.at.Sub(time.Unix(0, 0)), what, x, now.State))
			if now.State == was.State {
				continue
			}
			bounds(t, s.at, was, now, &lost, &found, &eased, strings.Join(story, "\n"))
			was = now
		}
	})
}

// TestAlways has random events of all kinds never make the machine say what
// cannot be, nor send probes more often than every 30 s, or where no link is up.
func TestAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, down, host, until := newStory(), false, "", time.Time{}
		var probed time.Time
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			s.pass(time.Duration(rapid.IntRange(0, 90).Draw(t, "passes")) * time.Second)
			switch x := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "target"); rapid.IntRange(0, 7).Draw(t, "event") {
			case 0:
				down = rapid.Bool().Draw(t, "down")
				s.Link(s.at, down, rapid.Bool().Draw(t, "other"))
			case 1:
				host, until = rapid.SampledFrom(states).Draw(t, "host"), s.at.Add(time.Minute)
				s.Host(host, until)
			case 2:
				is := rapid.Bool().Draw(t, "metered")
				s.LinkMetered(&is)
			case 3:
				s.Battery(rapid.Bool().Draw(t, "battery"))
			case 4, 5:
				s.miss(x, network.Evidence(rapid.IntRange(0, 2).Draw(t, "met")))
			case 6:
				s.Contact(s.at, network.ByCalls)
			default:
				s.answer(x, time.Second)
			}
			v := s.Look(s.at)
			if said := s.at.Before(until); said && v.State != host || !said && down && v.State != network.Offline {
				t.Fatalf("got %+v, link down: %t, the host says %s: %t", v, down, host, said)
			}
			if v.State == network.Metered && (v.Metered == nil || !*v.Metered) && v.Source != network.ByHost {
				t.Fatalf("metered, and bytes cost nothing: %+v", v)
			}
			if due, ok := s.ProbeDue(s.at); ok && !s.at.Before(due) {
				if down || s.at.Before(until) || !probed.IsZero() && s.at.Sub(probed) < 30*time.Second {
					t.Fatalf("a probe %v after the one before, link down: %t", s.at.Sub(probed), down)
				}
				probed = s.at
				s.Probed(s.at, rapid.Float64Range(0, 1).Draw(t, "jitter"))
			}
		}
	})
}

// TestStands: until the time that the machine names nothing changes by itself.
func TestStands(t *testing.T) {
	ended := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newStory()
		for i := range rapid.IntRange(1, 200).Draw(t, "events") {
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0:
				s.Host(rapid.SampledFrom(states).Draw(t, "host"), s.at.Add(rapid.SampledFrom([]time.Duration{-time.Second, time.Second, time.Hour}).Draw(t, "for")))
			case 1:
				s.HostMetered(i%2 == 0, s.at.Add(time.Duration(rapid.IntRange(-1, 100).Draw(t, "metered for"))*time.Second))
			case 2, 3:
				s.miss("a", network.Silence)
			default:
				s.answer("b", time.Duration(rapid.SampledFrom([]int{1, 1, 30}).Draw(t, "first"))*time.Second)
			}
			was, until := s.Look(s.at), s.Stands(s.at)
			s.pass(rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, time.Minute, 11 * time.Minute}).Draw(t, "passes"))
			is := s.Look(s.at)
			if is != was {
				ended++
			}
			if (until.IsZero() || s.at.Before(until)) && is != was {
				t.Fatalf("got %+v, then %+v at %v, which was to stand until %v", was, is, s.at, until)
			}
		}
	})
	if ended == 0 {
		t.Error("nothing ever ended by itself")
	}
}

// bounds checks one change of state against the times of those before.
func bounds(t *rapid.T, at time.Time, was, now network.View, lost, found, eased *time.Time, story string) {
	near := func(last *time.Time, least time.Duration, what string) {
		if !last.IsZero() && at.Sub(*last) < least {
			t.Fatalf("%s after %v:\n%s", what, at.Sub(*last), story)
		}
	}
	switch {
	case now.Lost() && was.Lost():
		near(lost, 10*time.Second, "another loss")
		*lost = at
	case now.Lost():
		near(found, 10*time.Second, "lost again")
		*lost = at
	case was.Lost():
		*found = at
	}
	if now.State == network.Degraded {
		near(eased, 30*time.Second, "degraded again")
	}
	if was.State == network.Degraded {
		*eased = at
	}
	if was.State == network.Degraded && now.State == network.Online {
		near(&was.Since, 30*time.Second, "online again")
	}
}
