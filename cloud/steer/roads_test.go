package steer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

func TestCommands(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		done := 0
		commands := func(opt *steer.Options) {
			opt.Commands = map[string]steer.Obey{
				"status": answer(`{"ok":1}`), "words": answer(`no JSON`), "large": answer(`"` + strings.Repeat("x", 10_000) + `"`),
				"drain":    func(context.Context, map[string]string) (json.RawMessage, error) { done++; return nil, nil },
				"diagnose": func(context.Context, map[string]string) (json.RawMessage, error) { return nil, errors.New("no disk") },
				"refresh":  func(context.Context, map[string]string) (json.RawMessage, error) { panic("at the disco") },
				"slow": func(ctx context.Context, _ map[string]string) (json.RawMessage, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				},
			}
		}
		l := live(t, o, k, commands)
		f := func(id, do, want string) {
			t.Helper()
			for _, again := range []bool{false, true} {
				a, err := l.Command(t.Context(), o.command(t, 0, id, do))
				if got := fmt.Sprintf("%v %.60s %s", a.OK, a.Result, seal.Reason(err)); got != want || err == nil && a.Again != again {
					t.Errorf("%s, again %v: %s (again %v), want %s", do, again, got, a.Again, want)
				}
			}
		}
		f("c1", "status", `true {"ok":1} `)
		f("c2", "drain", `true  `)
		f("c3", "diagnose", `false {"error":"no disk"} `)
		f("c4", "refresh", `false {"error":"it panicked: at the disco"} `)
		f("c5", "words", `false {"error":"its answer is no JSON"} `)
		f("c6", "slow", `false {"error":"context deadline exceeded"} `)
		f("c7", "rollback", `false {"error":"nothing_to_roll_back"} `)
		f("c8", "explode", `false  `+trial.UnknownCommand)
		if a, err := l.Command(t.Context(), o.command(t, 0, "c9", "large")); err != nil || len(a.Result) < 10_000 {
			t.Errorf("a large answer: %d bytes, %v", len(a.Result), err)
		}
		l.end(t)
		l = live(t, o, k, commands) // another process gives the same answers
		defer l.end(t)
		for id, want := range map[string]string{"c1": `true {"ok":1} true`, "c2": "true  true", "c3": `false {"error":"no disk"} true`, "c9": "true  true"} {
			a, err := l.Command(t.Context(), o.command(t, 0, id, "drain"))
			if got := fmt.Sprintf("%v %s %v", a.OK, a.Result, a.Again); got != want || err != nil {
				t.Errorf("%s: %s, %v, want %s", id, got, err, want)
			}
		}
		if done != 1 {
			t.Errorf("drained %d times", done)
		}
		late := o.command(t, 0, "c10", "drain")
		time.Sleep(40 * 24 * time.Hour)
		if _, err := l.Command(t.Context(), late); seal.Reason(err) != seal.Expired {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestCommandRollback(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		order := func(id, want string) {
			t.Helper()
			if a, err := l.Command(t.Context(), o.command(t, 0, id, steer.Rollback)); err != nil || string(a.Result) != want {
				t.Errorf("%s: %s, %v, want %s", id, a.Result, err, want)
			}
		}
		time.Sleep(time.Minute)
		for v, body := range []string{"", "one", "two"} {
			if v > 0 {
				l.takes(t, o.policy(t, 0, int64(v), body))
				time.Sleep(time.Minute)
			}
		}
		l.takes(t, o.policy(t, 0, 3, "three"))
		order("r1", `{"from":3,"to":2}`) // on trial
		l.is(t, "rolled_back", "two", 2)
		order("r2", `{"from":2,"to":1}`)
		l.is(t, "rolled_back", "one", 1)
		order("r2", `{"from":2,"to":1}`) // delivered twice
		l.is(t, "rolled_back", "one", 1)
		l.refuses(t, o.policy(t, 0, 3, "three"), trial.RolledBackBefore)
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "rolled_back", "one", 1)
		order("r1", `{"from":3,"to":2}`)
		l.is(t, "rolled_back", "one", 1)
		order("r3", `{"from":1,"to":0}`)
		l.is(t, "rolled_back", "", 0)
	})
}

// TestInterrupted: a command that was begun when the process died is not
// obeyed again.
func TestInterrupted(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		k.on(func(n int, _ []byte) error { // all saves after the command was begun are lost
			if n > 2 {
				return errCut
			}
			return nil
		})
		done := 0
		commands := func(opt *steer.Options) {
			opt.Commands = map[string]steer.Obey{"drain": func(context.Context, map[string]string) (json.RawMessage, error) { done++; return nil, nil }}
		}
		l := live(t, o, k, commands)
		if _, err := l.Command(t.Context(), o.command(t, 0, "c1", "drain")); err != nil {
			t.Fatal(err)
		}
		l.end(t)
		k.on(nil)
		l = live(t, o, k, commands)
		defer l.end(t)
		a, err := l.Command(t.Context(), o.command(t, 0, "c1", "drain"))
		if err != nil || a.OK || !strings.Contains(string(a.Result), "interrupted") || done != 1 {
			t.Errorf("%+v %s, %v; done %d times", a, a.Result, err, done)
		}
	})
}

// TestFlood: many bad envelopes neither wear out the disk nor drown the events,
// nor delay the verdict on what is on trial.
func TestFlood(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		defer l.end(t)
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 1, "bad"))
		same := o.policy(t, 0, 9, "x")[:50]
		saves := k.count()
		for i := range 3000 {
			l.refuses2(t, same)
			l.refuses2(t, fmt.Appendf(nil, "{%d", i))
			time.Sleep(20 * time.Millisecond)
		}
		l.is(t, "rolled_back", "", 0)
		events := strings.Count(l.told(), "refused:malformed")
		if events < 16 || events > 24 || k.count()-saves > 20 {
			t.Errorf("6,000 bad envelopes in a minute: %d events, %d saves", events, k.count()-saves)
		}
		if n := l.Status().Counts.Refused[seal.Malformed]; n < 3000 || n > 3500 {
			t.Errorf("%d counted: each that differs, and the same one now and then", n)
		}
	})
}

func (l *life) refuses2(tb testing.TB, envelope []byte) {
	tb.Helper()
	if _, err := l.offer(envelope); seal.Reason(err) != seal.Malformed {
		tb.Fatalf("%v", err)
	}
}

func TestRepeated(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		defer l.end(t)
		for range 100 {
			l.refuses(t, o.policy(t, 0, 1, "invalid"), trial.FailsOwnTests)
		}
		time.Sleep(time.Hour)
		if got := l.told(); got != "refused:fails_own_tests" || k.count() > 5 {
			t.Errorf("told %s, %d saves", got, k.count())
		}
		if r := k.record(t); r.Refused == nil || r.Refused.Reason != trial.FailsOwnTests || r.Refused.Version != 1 || r.Next != nil {
			t.Errorf("the refusal is not in the record: %+v", r.Refused)
		}
	})
}

// TestBusy: a queue that is full refuses at once.
func TestBusy(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(ctx context.Context, _ string) error {
			select {
			case <-hang:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		answers := make(chan error, 100)
		for i := range 100 {
			envelope := o.policy(t, 0, int64(i+1), "v")
			go func() {
				_, err := l.offer(envelope)
				answers <- err
			}()
		}
		synctest.Wait()
		busy := 0
		for range len(answers) {
			if seal.Reason(<-answers) == trial.Busy {
				busy++
			}
		}
		if busy != 35 {
			t.Errorf("%d were refused as busy, want 35: one is looked at, 64 wait", busy)
		}
		close(hang)
		for range 65 {
			if err := <-answers; err != nil && seal.Reason(err) != seal.OlderVersion {
				t.Error(err)
			}
		}
	})
}

func TestLooksTooLong(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		l := live(t, o, &disk{})
		defer l.end(t)
		l.d.valid = func(ctx context.Context, body string) error {
			if body == "panics" {
				panic("out of range")
			}
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		l.refuses(t, o.policy(t, 0, 1, "hangs"), trial.Invalid)
		if d := time.Since(start); d > 25*time.Second {
			t.Errorf("after %v", d)
		}
		l.refuses(t, o.policy(t, 0, 1, "panics"), trial.Invalid)
	})
}

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
		if l.Status().RootVersion != 1 || l.told() != steer.EventRootsLost {
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
		if !l.Status().Expired || strings.Count(l.told(), steer.EventExpired) != 1 {
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
		if l.told() != steer.EventMoved || l.d.gate != "" {
			t.Errorf("told %s, gate %q", l.told(), l.d.gate)
		}
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.refuses(t, o.policy(t, 0, 4, "four"), seal.OlderVersion)
		l.takes(t, o.policy(t, 0, 5, "five"))
	})
}

// TestCrashes: a policy that ends the process is given up after three boots,
// also one that does so while it is validated.
func TestCrashes(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "deadly"))
		dead := func() { // what the process still does is on no disk
			k.on(func(int, []byte) error { return errCut })
			l.end(t)
			k.on(nil)
		}
		for i := range 3 {
			if got := l.Status().State; got != "probation" && got != "candidate" {
				t.Fatalf("given up after %d boots: %s", i, got)
			}
			dead()
			l = live(t, o, k)
		}
		l.is(t, "rolled_back", "", 0)
		if bad := l.Status().RolledBack; bad == nil || bad.Why != trial.Crashes {
			t.Errorf("%+v", bad)
		}
		hang := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		l.d.valid = hang
		go func() { _, _ = l.offer(o.policy(t, 0, 2, "deadly too")) }()
		synctest.Wait()
		for range 3 {
			if l.Status().Candidate == "" {
				t.Fatal("it was given up too early")
			}
			dead()
			l = live(t, o, k, func(opt *steer.Options) { opt.Subject.(*device).valid = hang })
		}
		synctest.Wait()
		if st := l.Status(); st.Candidate != "" || st.RolledBack.Version != 2 {
			t.Errorf("after 3 boots: %+v", st)
		}
		l.refuses(t, o.policy(t, 0, 2, "deadly too"), trial.RolledBackBefore)
		l.end(t)
	})
}

// TestBootOnAFullDisk: where a boot cannot be counted, nothing is tried.
func TestBootOnAFullDisk(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.takes(t, o.policy(t, 0, 2, "two"))
		l.end(t)
		k.on(func(int, []byte) error { return errNoSpace })
		l = live(t, o, k)
		defer l.end(t)
		synctest.Wait()
		if l.d.inForce() != "one" {
			t.Errorf("in force is %q", l.d.inForce())
		}
		k.on(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if l.d.inForce() != "two" {
			t.Errorf("with space again in force is %q", l.d.inForce())
		}
		time.Sleep(time.Minute)
		l.is(t, "confirmed", "two", 2)
	})
}

// TestUnusable: a confirmed policy that another version of the program cannot
// put in force is no reason not to answer.
func TestUnusable(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 1, "one"))
		time.Sleep(time.Minute)
		l.end(t)
		l = live(t, o, k, func(opt *steer.Options) { opt.Subject = picky{opt.Subject.(*device)} })
		defer l.end(t)
		if st := l.Status(); st.Version != 0 || st.Fault == "" || l.told() != steer.EventUnusable {
			t.Errorf("version %d, fault %q, told %s", st.Version, st.Fault, l.told())
		}
		l.takes(t, o.policy(t, 0, 2, "two"))
		if st := l.Status(); st.Version != 2 || st.Fault != "" {
			t.Errorf("version %d, fault %q", st.Version, st.Fault)
		}
	})
}

type picky struct{ *device }

func (p picky) Swap(ctx context.Context, d *seal.Payload) error {
	if d != nil && d.Body == "one" {
		return errors.New("unknown field")
	}
	return p.device.Swap(ctx, d)
}

// TestWaitsForTheOtherCopy: nothing new is taken while the other copy of the
// record may still say that it is old.
func TestWaitsForTheOtherCopy(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.takes(t, o.policy(t, 0, 5, "five"))
		time.Sleep(time.Minute)
		l.end(t)
		k.first, k.late = nil, make(chan struct{})
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "factory", "", 0)
		got := make(chan error, 1)
		go func() {
			_, err := l.offer(o.policy(t, 0, 4, "four"))
			got <- err
		}()
		time.Sleep(10 * time.Second)
		l.is(t, "factory", "", 0)
		close(k.late)
		if err := <-got; seal.Reason(err) != seal.OlderVersion {
			t.Errorf("with the other copy there: %v", err)
		}
		l.is(t, "confirmed", "five", 5)
		if !strings.HasPrefix(l.told(), steer.EventFloor) {
			t.Errorf("told %s", l.told())
		}
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

func TestStopped(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		l.d.valid = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		got := make(chan error, 1)
		go func() {
			_, err := l.offer(o.policy(t, 0, 1, "one"))
			got <- err
		}()
		synctest.Wait()
		l.end(t)
		if err := <-got; !errors.Is(err, steer.ErrStopped) {
			t.Errorf("offered: %v", err)
		}
		if _, err := l.offer(o.policy(t, 0, 1, "one")); !errors.Is(err, steer.ErrStopped) {
			t.Errorf("offered later: %v", err)
		}
		l = live(t, o, k) // goes on with what was being validated
		defer l.end(t)
		l.is(t, "probation", "one", 1)
	})
}
