package steer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

var errCut = errors.New("the power is gone")

// cuts are what may happen to a save. A cut ends the process; what it still
// does is seen by nobody.
var cuts = []struct {
	name                   string
	first, second, nothing bool // which copies land; nothing: an earlier save is found to have been lost
	dies                   bool
}{
	{"cut before", false, false, false, true},
	{"cut after", true, true, false, true},
	{"cut after the first copy", true, false, false, true},
	{"cut after the second copy", false, true, false, true},
	{"cut, and the last save was lost", false, false, true, true},
	{"fails", false, false, false, false},
	{"fails and landed", true, true, false, false},
}

// shaky is a disk on which something happens to one save.
type shaky struct {
	disk
	at       int // which save; 0 is none
	cut      int
	dead     bool
	bad      map[string]bool // digests given up in a record that was acknowledged
	floors   seal.Floors     // of the last record that was acknowledged
	previous []byte
}

func (k *shaky) Save(_ context.Context, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dead {
		return errCut
	}
	k.saves++
	if k.saves != k.at {
		k.previous = k.first
		k.first = b
		if k.read {
			k.second = b
		}
		k.acknowledged(b)
		return nil
	}
	c := cuts[k.cut]
	k.dead = c.dies
	if c.first {
		k.first = b
	}
	if c.second && k.read {
		k.second = b
	}
	if c.nothing {
		k.first, k.bad, k.floors = k.previous, map[string]bool{}, nil
		if k.read {
			k.second = k.previous
		}
	}
	return errCut
}

// isDead tells whether the power is gone.
func (k *shaky) isDead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dead
}

func (k *shaky) revive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dead = false
}

// acknowledged looks at a record that counts from now on.
func (k *shaky) acknowledged(b []byte) {
	r, err := trial.Decode(b)
	if err != nil {
		panic(err)
	}
	for key, f := range k.floors {
		if now := r.Floors[key]; now.Version < f.Version || now.Epoch < f.Epoch {
			panic(fmt.Sprintf("save %d: the floor of %s fell from %d to %d", k.saves, key, f.Version, now.Version))
		}
	}
	k.floors = r.Floors
	for _, bad := range r.Bad {
		k.bad[bad.Digest] = true
	}
}

// world is a history: what an operator does to one device, whatever happens to
// its power. Retained messages come again, commands are sent again.
type world struct {
	t       *testing.T
	o       office
	k       *shaky
	l       *life
	drained int
	last    func() // what was done before
}

func (w *world) boot() {
	if w.last == nil {
		w.last = func() {}
	}
	w.k.revive()
	w.l = live(w.t, w.o, w.k, func(opt *steer.Options) {
		opt.Commands = map[string]steer.Obey{"drain": func(context.Context, map[string]string) (json.RawMessage, error) {
			w.drained++
			return json.RawMessage(`{"rows":3}`), nil
		}}
		opt.Subject = witness{w.l0(opt), w}
	})
	synctest.Wait()
	w.agree()
}

// l0 is the device of the options.
func (w *world) l0(opt *steer.Options) *device { return opt.Subject.(*device) }

// witness sees every swap: what is put in force must be on the disk before.
type witness struct {
	*device
	w *world
}

func (x witness) Swap(ctx context.Context, p *seal.Payload) error {
	k := x.w.k
	k.mu.Lock()
	held := p != nil && (holds(k.first, digestOf(p)) || holds(k.second, digestOf(p)))
	bad := p != nil && k.bad[digestOf(p)]
	dead := k.dead
	k.mu.Unlock()
	if p != nil && !dead {
		if !held || bad {
			x.w.t.Errorf("%s: %q is put in force: on disk %v, given up before %v", x.w.name(), p.Body, held, bad)
		}
	}
	return x.device.Swap(ctx, p)
}

func digestOf(p *seal.Payload) string {
	b, err := p.Encode()
	if err != nil {
		panic(err)
	}
	return seal.Digest(b)
}

// holds tells whether a copy of the record wants that policy in force.
func holds(record []byte, digest string) bool {
	r, err := trial.Decode(record)
	return err == nil && slices.ContainsFunc([]*trial.Held{r.Good, r.Trial}, func(h *trial.Held) bool { return h != nil && h.Digest == digest })
}

func (w *world) name() string { return fmt.Sprintf("save %d, %s", w.k.at, cuts[w.k.cut].name) }

// agree checks that the device is in the old or the new and says which.
func (w *world) agree() {
	w.t.Helper()
	st, body := w.l.Status(), w.l.d.inForce()
	versions := map[string]int64{"": 0, "one": 1, "bad two": 2, "three": 3, "four": 4, "bad five": 5, "seven": 7}
	if v, known := versions[body]; !known || v != st.Version && !w.k.isDead() {
		w.t.Errorf("%s: in force is %q, the status says version %d", w.name(), body, st.Version)
	}
}

// do does something until it is done in a life that was not cut.
func (w *world) do(f func() error) {
	w.t.Helper()
	for range 5 {
		err := f()
		synctest.Wait()
		if w.k.isDead() {
			w.l.end(w.t)
			w.boot()
			if cuts[w.k.cut].nothing {
				w.last() // what is retained comes again
				time.Sleep(time.Minute)
			}
			continue
		}
		w.agree()
		if seal.Reason(err) != trial.NotKept {
			w.last = func() { _ = f() } // what comes of it again is looked at elsewhere
			return
		}
	}
	w.t.Errorf("%s: it is never done", w.name())
}

func (w *world) offer(envelope []byte, wait time.Duration) {
	w.t.Helper()
	w.do(func() error {
		_, err := w.l.offer(envelope)
		if err == nil {
			time.Sleep(wait)
		}
		return err
	})
}

func (w *world) order(envelope []byte, want string) {
	w.t.Helper()
	w.do(func() error {
		a, err := w.l.Command(context.Background(), envelope)
		if got := fmt.Sprintf("%v %s", a.OK, a.Result); err == nil && !w.k.isDead() && got != want && !isInterrupted(a) {
			w.t.Errorf("%s: answer %s, want %s", w.name(), got, want)
		}
		return err
	})
}

func isInterrupted(a news.Answer) bool { return !a.OK && a.Again }

func (w *world) is(body, gate string) {
	w.t.Helper()
	if w.l.d.inForce() != body || w.l.d.gate != gate {
		w.t.Errorf("%s: in force is %q and gate %q, want %q and %q (%s)", w.name(), w.l.d.inForce(), w.l.d.gate, body, gate, w.l.told())
	}
}

// script signs all that happens once, since signing takes longest.
func script(t *testing.T) (office, func(*world)) {
	o := newOffice(t, 3)
	one, two, root := o.policy(t, 0, 1, "one"), o.policy(t, 0, 2, "bad two"), o.root(t, 1)
	three, gate1, gate2 := o.policy(t, 1, 3, "three"), o.policy(t, 1, 1, "gate one", gate), o.policy(t, 1, 2, "stuck gate", gate)
	drain, back := o.command(t, 1, "c1", "drain"), o.command(t, 1, "c2", steer.Rollback)
	four, five, six, seven := o.policy(t, 1, 4, "four"), o.policy(t, 1, 5, "bad five"), o.policy(t, 1, 6, "invalid six"), o.policy(t, 1, 7, "seven")
	return o, func(w *world) {
		w.boot()
		time.Sleep(time.Minute)
		w.offer(one, time.Minute)
		w.is("one", "")
		w.offer(two, time.Minute)
		w.is("one", "")
		w.offer(root, 0)
		w.offer(three, time.Minute)
		w.is("three", "")
		w.offer(gate1, 0)
		w.offer(gate2, 0)
		w.is("three", "gate one")
		w.order(drain, `true {"rows":3}`)
		w.order(back, `true {"from":3,"to":1}`)
		w.is("one", "gate one")
		w.offer(four, 5*time.Second)
		w.offer(five, time.Minute)
		if !cuts[w.k.cut].nothing || w.l.d.inForce() != "four" { // which had a minute more
			w.is("one", "gate one")
		}
		w.offer(six, 0)
		w.offer(seven, time.Minute)
		w.offer(two, 0)
		w.offer(three, 0)
		w.order(back, `true {"from":3,"to":1}`)
		w.is("seven", "gate one")
		time.Sleep(2 * time.Minute)
		w.do(func() error { return nil })
		if st := w.l.Status(); st.State != "confirmed" || st.RootVersion != 2 || st.Unsaved != "" {
			w.t.Errorf("%s: at the end %s, root %d, unsaved %q", w.name(), st.State, st.RootVersion, st.Unsaved)
		}
		if w.drained > 1 && !cuts[w.k.cut].nothing {
			w.t.Errorf("%s: drained %d times", w.name(), w.drained)
		}
		w.l.end(w.t)
	}
}

// TestPowerAtEveryTransition: something happens at every save of a whole
// history, each time another thing; the device always ends where it should,
// is in the old or the new all the while, and forgets nothing.
func TestPowerAtEveryTransition(t *testing.T) {
	o, history := script(t)
	run := func(at, cut int) int {
		k := &shaky{at: at, cut: cut, bad: map[string]bool{}}
		synctest.Test(t, func(t *testing.T) { history(&world{t: t, o: o, k: k}) })
		return k.saves
	}
	saves := run(0, 0)
	t.Logf("%d saves, %d histories", saves, saves*len(cuts))
	if saves < 20 {
		t.Errorf("only %d saves", saves)
	}
	for at := 1; at <= saves && !t.Failed(); at++ {
		for cut := range cuts {
			run(at, cut)
		}
	}
}
