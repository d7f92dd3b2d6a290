package steer_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// TestNotYet: what begins later is kept in memory and taken when its time
// comes, or the clock becomes known.
func TestNotYet(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		var wall atomic.Int64 // how far the clock is off
		l := live(t, o, &disk{}, func(opt *steer.Options) {
			opt.Clock = func() seal.Evidence {
				return seal.Evidence{Wall: time.Now().Add(time.Duration(wall.Load())), Build: issued}
			}
		})
		defer l.end(t)
		soon := o.policy(t, 0, 2, "soon", func(p *seal.Payload) { p.NotBefore = time.Now().Add(time.Hour) })
		for range 3 {
			l.refuses(t, soon, seal.NotYetValid)
		}
		if st := l.Status(); st.Waiting != 1 || l.told() != "refused:not_yet_valid" {
			t.Errorf("%d wait; told %s", st.Waiting, l.told())
		}
		time.Sleep(59 * time.Minute)
		l.is(t, "factory", "", 0)
		time.Sleep(2 * time.Minute)
		l.is(t, "confirmed", "soon", 2)
		wall.Store(int64(-20 * 365 * 24 * time.Hour)) // the clock is lost
		then := o.policy(t, 0, 3, "then", func(p *seal.Payload) { p.NotBefore = time.Now().Add(24 * time.Hour) })
		l.refuses(t, then, seal.NotYetValid)
		time.Sleep(48 * time.Hour)
		l.is(t, "confirmed", "soon", 2)
		wall.Store(0)
		l.Wake()
		l.is(t, "probation", "then", 3)
	})
}

func TestRotation(t *testing.T) {
	o := newOffice(t, 5)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.refuses(t, o.policy(t, 1, 1, "one"), seal.TooFewSignatures)
		l.refuses(t, o.root(t, 2), seal.RootTooFewOld)
		l.takes(t, o.root(t, 1)) // and with it what waited for it
		l.is(t, "probation", "one", 1)
		for range 2 {
			if r, err := l.Offer(t.Context(), o.root(t, 1), "again"); err != nil || !r.Again {
				t.Errorf("a root that is retained comes again: %+v, %v", r, err)
			}
		}
		l.takes(t, o.root(t, 2))
		l.refuses(t, o.policy(t, 0, 2, "two"), seal.UnknownKey) // revoked
		l.refuses(t, o.policy(t, 1, 2, "two"), seal.TooFewSignatures)
		l.end(t)
		for config, want := range []int64{3, 3, 3, 4} { // the newer of config and chain
			l = live(t, o, k, func(opt *steer.Options) { opt.Root = o.root(t, config) })
			if got := l.Status().RootVersion; got != want {
				t.Errorf("config has root %d: root %d is trusted, want %d", config+1, got, want)
			}
			l.end(t)
		}
		if n := len(k.record(t).Roots); n != 0 {
			t.Errorf("%d roots are kept that nobody needs", n)
		}
	})
}

// TestOtherLineage: a configured root that the chain does not follow is
// trusted, the chain is not.
func TestOtherLineage(t *testing.T) {
	o := newOffice(t, 4)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.root(t, 1))
		l.end(t)
		other := seal.Root{Version: 1, Threshold: 1, Tenant: "acme", Keys: []seal.Key{o.keys[3].Key()}}
		l = live(t, o, k, func(opt *steer.Options) {
			opt.Root = must[[]byte](t)(seal.Sign(seal.RootType, must[[]byte](t)(other.Encode()), o.keys[3]))
		})
		defer l.end(t)
		if l.Status().RootVersion != 1 || l.told() != news.RootsLost {
			t.Errorf("root %d; told %s", l.Status().RootVersion, l.told())
		}
		l.refuses(t, o.policy(t, 1, 1, "one"), seal.UnknownKey)
	})
}

func TestExpiredStays(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		ends := o.policy(t, 0, 1, "ends", func(p *seal.Payload) { p.NotAfter = time.Now().Add(2 * time.Hour) })
		l.takes(t, ends)
		time.Sleep(3 * time.Hour)
		l.is(t, "confirmed", "ends", 1)
		if !l.Status().Expired || strings.Count(l.told(), news.Expired) != 1 {
			t.Errorf("expired %v; told %s", l.Status().Expired, l.told())
		}
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "confirmed", "ends", 1)
		if !l.Status().Expired {
			t.Error("at the next boot it is not expired")
		}
	})
}

// TestClockTurned: turned back nothing that ended begins again; turned forward
// nothing is lost.
func TestClockTurned(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		var wall atomic.Int64 // how far the clock is off
		k := &disk{}
		clock := func(opt *steer.Options) {
			opt.Clock = func() seal.Evidence {
				return seal.Evidence{Wall: time.Now().Add(time.Duration(wall.Load())), Build: issued}
			}
		}
		l := live(t, o, k, clock)
		time.Sleep(50 * time.Hour)
		past := o.policy(t, 0, 1, "past", func(p *seal.Payload) { p.NotAfter = issued.Add(48 * time.Hour) })
		l.refuses(t, past, seal.Expired)
		l.end(t)
		wall.Store(int64(-50 * time.Hour))
		l = live(t, o, k, clock)
		l.refuses(t, past, seal.Expired)
		if s := l.Status().Clock.State; s != seal.ClockUnknown {
			t.Errorf("turned back: the clock is %s", s)
		}
		l.takes(t, o.policy(t, 0, 2, "now"))
		time.Sleep(time.Minute)
		wall.Store(int64(20 * 365 * 24 * time.Hour))
		time.Sleep(time.Hour)
		l.takes(t, o.policy(t, 0, 3, "ends in a year", func(p *seal.Payload) { p.NotAfter = issued.Add(365 * 24 * time.Hour) }))
		if s := l.Status(); s.Clock.State != seal.ClockFloor || s.Expired {
			t.Errorf("turned forward: %+v, expired %v", s.Clock, s.Expired)
		}
		l.end(t)
	})
}

func TestMovedToAnotherChannel(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 5, "five"))
		l.takes(t, o.policy(t, 0, 1, "gate one", gate))
		time.Sleep(time.Minute)
		l.end(t)
		l = live(t, o, k, func(opt *steer.Options) { opt.Device.Channel = "beta" })
		l.is(t, "factory", "", 0)
		if l.told() != news.Moved || l.d.gate != "" {
			t.Errorf("told %s, gate %q", l.told(), l.d.gate)
		}
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.refuses(t, o.policy(t, 0, 4, "four"), seal.OlderVersion)
		l.takes(t, o.policy(t, 0, 5, "five"))
	})
}

func TestPrevious(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		one := o.policy(t, 0, 1, "one")
		e := must[*seal.Envelope](t)(seal.Open(one))
		two := o.policy(t, 0, 2, "two", func(p *seal.Payload) { p.Previous = seal.Digest(e.Payload) })
		l.refuses(t, two, seal.WrongPrevious)
		l.takes(t, one) // and what is to follow it
		l.is(t, "probation", "two", 2)
	})
}

// TestWaitsForFiles: who fetches files is told of each envelope that waits for
// them, also when nobody waits for what comes of it any more: whoever offered it
// gave up, or it was offered when its time had not come.
func TestWaitsForFiles(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		waits, looked := []string{}, make(chan struct{})
		l := live(t, o, &disk{}, func(opt *steer.Options) {
			opt.Waits = func(envelope []byte, from string) { waits = append(waits, from+" "+string(envelope)) }
		})
		defer l.end(t)
		l.d.valid = func(context.Context, string) error {
			<-looked
			return &seal.Refusal{Reason: trial.WaitsForFiles}
		}
		slow := o.policy(t, 0, 1, "slow", gate)
		began := time.Now()
		_, err := l.Offer(t.Context(), slow, "hand")
		if took := time.Since(began); err == nil || seal.Reason(err) != "" || took != 30*time.Second || len(waits) > 0 {
			t.Errorf("given up: got %v after %v, and %d wait", err, took, len(waits))
		}
		close(looked)
		synctest.Wait()
		if want := "hand " + string(slow); len(waits) != 1 || waits[0] != want {
			t.Errorf("given up, and it waits for files: told of %q, want %q", waits, want)
		}
		soon := o.policy(t, 0, 2, "soon", gate, func(p *seal.Payload) { p.NotBefore = time.Now().Add(time.Hour) })
		l.refuses(t, soon, seal.NotYetValid)
		<-time.After(2 * time.Hour)
		synctest.Wait()
		if want := "test " + string(soon); len(waits) != 2 || waits[1] != want || l.Status().Waiting != 0 {
			t.Errorf("its time came: told of %q, want %q, and none that waits", waits, want)
		}
	})
}

// TestEndedAfterAReset: what was dropped by hand is judged like any other when it
// comes again: its time may be over, and nobody told the broker.
func TestEndedAfterAReset(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		ends := o.policy(t, 0, 1, "ends", func(p *seal.Payload) { p.NotAfter = time.Now().Add(time.Hour) })
		l.takes(t, ends)
		time.Sleep(2 * time.Hour)
		l.takes(t, ends) // it is in force, and nothing new
		if err := l.Reset(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		l.refuses(t, ends, seal.Expired)
	})
}

// TestRootInWrapping: what a broker adds to the envelope of a root is not kept,
// and does not make another of it.
func TestRootInWrapping(t *testing.T) {
	o := newOffice(t, 5)
	wrapped := func(n int) []byte {
		e := must[*seal.Envelope](t)(seal.Peek(o.root(t, n)))
		e.Signatures = append(e.Signatures, seal.Signature{KeyID: strings.Repeat("ab", 8), Sig: make([]byte, 20<<10)})
		b := must[[]byte](t)(e.Encode())
		return append(b, []byte(strings.Repeat(" ", seal.MaxBytes-len(b)))...)
	}
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, wrapped(1))
		for _, again := range [][]byte{o.root(t, 1), wrapped(1)} {
			if r, err := l.Offer(t.Context(), again, "again"); err != nil || !r.Again {
				t.Errorf("the same root in other wrapping: %+v, %v", r, err)
			}
		}
		l.takes(t, o.policy(t, 1, 1, "one"))
		l.end(t)
		if kept := k.record(t).Roots; len(kept) != 1 || len(kept[0]) > 4<<10 {
			t.Errorf("%d roots are kept, of %d bytes", len(kept), len(kept[0]))
		}
		l = live(t, o, k)
		defer l.end(t)
		if got := l.Status().RootVersion; got != 2 {
			t.Errorf("after a boot root %d is trusted", got)
		}
	})
}

// TestResetForgetsWhatWaits: what waited for its time and is to be looked at again is
// dropped by hand like what is in force, though another is being looked at.
func TestResetForgetsWhatWaits(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(context.Context, string) error { time.Sleep(time.Second); return nil }
		soon := func(p *seal.Payload) { p.NotBefore = time.Now().Add(time.Hour) }
		l.refuses(t, o.policy(t, 0, 1, "one", soon), seal.NotYetValid)
		l.refuses(t, o.policy(t, 0, 2, "two", soon), seal.NotYetValid)
		for l.Status().Candidate == "" { // until the first of both is being looked at
			time.Sleep(100 * time.Millisecond)
		}
		if err := l.Reset(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		l.is(t, "factory", "", 0)
	})
}
