package fleet_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cloud/fleet/stages"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

func plan(t testing.TB, rings []string, shares ...float64) []stages.Stage {
	t.Helper()
	p, err := stages.Plan(rings, shares)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAbsent: where no broker is, the error says so, and names the address.
func TestAbsent(t *testing.T) {
	t.Parallel()
	_, err := fleet.Open(t.Context(), fleet.Options{Broker: broker.Options{URL: "tcp://127.0.0.1:1"}, Tenant: "acme"})
	if !errors.Is(err, broker.ErrAbsent) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}

// TestView: what is retained is there when Open returns.
func TestView(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("canary", 3, "good")
	c.join("all", 5, "offline")
	f := open(t, url)
	all := f.Devices()
	if len(all) != 8 {
		t.Fatalf("got %d devices, want 8", len(all))
	}
	for _, d := range all {
		if d.Status == nil || d.Ring() == "" || d.Online() != (d.Ring() == "canary") || d.Seen().IsZero() {
			t.Errorf("%s: ring %q, online %v, %+v", d.ID, d.Ring(), d.Online(), d.Status)
		}
	}
}

// TestPush: what is pushed is retained and reported, cleared again it is gone.
func TestPush(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("canary", 3, "good")
	f := open(t, url)
	v7 := candidate(t, 7)
	place := fleet.Place{Ring: "canary", Kind: "policy"}
	if err := f.Push(t.Context(), place, v7.Envelope); err != nil {
		t.Fatal(err)
	}
	ok, err := f.Until(t.Context(), patience, func() bool {
		n := 0
		for _, d := range f.Devices() {
			if d.Applied("policy").Digest == v7.Digest {
				n++
			}
		}
		return n == 3
	})
	if !ok || err != nil {
		t.Fatalf("not all have it: %v", err)
	}
	if got := open(t, url).At(place); got.Version != 7 || got.Digest != v7.Digest || got.Fault != "" {
		t.Errorf("retained: %+v", got)
	}
	if err := f.Push(t.Context(), place, nil); err != nil {
		t.Fatal(err)
	}
	if got := open(t, url).At(place); got != (fleet.Published{}) {
		t.Errorf("cleared: %+v", got)
	}
}

// TestRollout: a good candidate goes through its stages to all, and leaves
// nothing at the topics of devices.
func TestRollout(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("canary", 10, "good")
	c.join("all", 40, "good")
	f := open(t, url)
	r, err := f.Begin(candidate(t, 7), plan(t, []string{"canary", "all"}, 10, 50, 100), quick, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var shown []int
	r, err = f.Drive(t.Context(), r, func(p fleet.Progress) { shown = append(shown, p.Counts.Good) })
	if err != nil || r.State != stages.Done {
		t.Fatalf("%v: %+v", err, r)
	}
	if c.offeredTo(7) != 50 || len(shown) < 3 {
		t.Errorf("%d of 50 saw it, %v", c.offeredTo(7), shown)
	}
	after := open(t, url)
	for _, d := range after.Devices() {
		if len(d.Held) > 0 || d.Applied("policy").Version != 7 {
			t.Errorf("%s retains %v and applies %+v", d.ID, d.Held, d.Applied("policy"))
		}
	}
	if got := after.Rollout(r.ID); got == nil || got.State != stages.Done || got.Envelope != "" {
		t.Errorf("the record: %+v", got)
	}
}

// TestAbortsItself: a bad candidate is seen by its first share alone, and is
// nowhere retained afterwards.
func TestAbortsItself(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("all", 60, "refuses")
	f := open(t, url)
	r, err := f.Begin(candidate(t, 7), plan(t, []string{"all"}, 10, 100), quick, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r, err = f.Drive(t.Context(), r, func(fleet.Progress) {})
	if err != nil || r.State != stages.Aborted || !strings.Contains(r.Why, "harmful_replay") {
		t.Fatalf("%v: %s, %s", err, r.State, r.Why)
	}
	if n := c.offeredTo(7); n == 0 || n > 20 {
		t.Errorf("%d of 60 saw it; a tenth should", n)
	}
	after := open(t, url)
	if at := after.At(fleet.Place{Ring: "all", Kind: "policy"}); at != (fleet.Published{}) {
		t.Errorf("the ring retains %+v", at)
	}
	for _, d := range after.Devices() {
		if len(d.Held) > 0 {
			t.Errorf("%s retains %v", d.ID, d.Held)
		}
	}
}

// TestTakenUp: a process that is killed in whatever stage leaves a rollout that
// another one ends, from what is retained alone.
func TestTakenUp(t *testing.T) {
	t.Parallel()
	for stage := range 3 {
		t.Run(fmt.Sprint("killed in stage ", stage+1), func(t *testing.T) {
			t.Parallel()
			url := startBroker(t)
			c := newCrowd(t, url)
			c.join("all", 40, "good")
			first := open(t, url)
			r, err := first.Begin(candidate(t, 7), plan(t, []string{"all"}, 10, 50, 100), quick, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			ctx, kill := context.WithCancel(t.Context())
			_, err = first.Drive(ctx, r, func(p fleet.Progress) {
				if p.Rollout.Stage == stage {
					kill()
				}
			})
			kill()
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			first.Close()
			second := open(t, url)
			taken, err := second.Resume(r.ID, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			end, err := second.Drive(t.Context(), taken, func(fleet.Progress) {})
			if err != nil || end.State != stages.Done || c.offeredTo(7) != 40 {
				t.Errorf("%v: %s, %d of 40 saw it", err, end.State, c.offeredTo(7))
			}
		})
	}
}

// TestTwoProcesses: the one that took the rollout up last drives it, the other
// lets go; another candidate is refused meanwhile.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("all", 10, "silent")
	c.join("other", 1, "silent")
	a, b := open(t, url), open(t, url)
	v7 := candidate(t, 7)
	r, err := a.Begin(v7, plan(t, []string{"all"}), quick, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	driving := make(chan bool, 1)
	go func() {
		_, err := a.Drive(t.Context(), r, func(fleet.Progress) {
			select {
			case driving <- true:
			default:
			}
		})
		ended <- err
	}()
	<-driving
	if ok, err := b.Until(t.Context(), patience, func() bool { return b.Rollout(r.ID) != nil }); !ok {
		t.Fatal(err)
	}
	if _, err := b.Begin(candidate(t, 8), plan(t, []string{"all"}), quick, time.Now()); !errors.Is(err, fleet.ErrBusy) || !strings.Contains(err.Error(), "fleet abort") {
		t.Errorf("another candidate: got %v", err)
	}
	if _, err := b.Begin(candidate(t, 8), plan(t, []string{"other"}), quick, time.Now()); err != nil {
		t.Errorf("in another ring: got %v", err)
	}
	again, err := b.Begin(v7, plan(t, []string{"all"}), quick, time.Now())
	if err != nil || again.ID != r.ID {
		t.Fatalf("the same candidate: %v, rollout %s", err, again.ID)
	}
	ctx, stop := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := b.Drive(ctx, again, func(fleet.Progress) {})
		second <- err
	}()
	if err := <-ended; !errors.Is(err, fleet.ErrTakenOver) {
		t.Errorf("the first process: got %v", err)
	}
	stop()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the second process: got %v", err)
	}
}

// TestOrders: pause and resume reach the process that drives, abort does too,
// and without one it says so.
func TestOrders(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("all", 4, "silent")
	driver, other := open(t, url), open(t, url)
	r, err := driver.Begin(candidate(t, 7), plan(t, []string{"all"}), quick, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan stages.Rollout, 1)
	states := make(chan string, 1000)
	go func() {
		r, err := driver.Drive(t.Context(), r, func(p fleet.Progress) { states <- p.Rollout.State })
		if err != nil {
			t.Error(err)
		}
		end <- r
	}()
	<-states
	if ok, err := other.Until(t.Context(), patience, func() bool { return other.Rollout(r.ID) != nil }); !ok {
		t.Fatal(err)
	}
	for _, do := range []string{stages.Pause, stages.Resume, stages.Abort} {
		if ok, err := other.Give(t.Context(), r.ID, do, patience); !ok || err != nil {
			t.Fatalf("%s: %v, %v", do, ok, err)
		}
	}
	if r := <-end; r.State != stages.Aborted || !strings.HasPrefix(r.Why, "aborted by ") {
		t.Errorf("got %s, %s", r.State, r.Why)
	}
	if ok, err := other.Until(t.Context(), patience, func() bool { return other.Rollout(r.ID).Over() }); !ok {
		t.Fatal(err)
	}
	if _, err := other.Give(t.Context(), r.ID, stages.Resume, time.Second); err == nil || !strings.Contains(err.Error(), "is aborted") {
		t.Errorf("after the end: %v", err)
	}
	if _, err := other.Give(t.Context(), "none", stages.Pause, time.Second); err == nil || !strings.Contains(err.Error(), "no rollout none") {
		t.Errorf("of nothing: %v", err)
	}
}

// TestStranger: what a stranger puts among the retained messages is left out,
// named, and breaks nothing.
func TestStranger(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("all", 2, "good")
	bad := map[string]string{
		"ns/1/acme/d/all-000/rep":      `{"device":"all-001","policy":{"version":9,"state":"confirmed"}}`,
		"ns/1/acme/d/all-001/rep":      `{"device":"all-001","agent":"\u001b[2J"}`,
		"ns/1/acme/d/ghost/state":      `[`,
		"ns/1/acme/pol/all":            `{"payloadType":"x"}`,
		"ns/1/acme/rollout/r1":         `{"id":"r2"}`,
		"ns/1/acme/rollout/r1/order":   `{"do":"destroy"}`,
		"ns/1/acme/root/1":             `\x00`,
		"ns/1/acme/d/all-001/pol/gate": strings.Repeat("x", wire.MaxMessage+1),
	}
	for topic, body := range bad {
		if err := c.session.Publish(t.Context(), topic, []byte(body), true); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, url)
	seen := map[string]string{}
	for _, d := range f.Devices() {
		seen[d.ID] = d.Fault()
		if strings.ContainsRune(d.Fault(), '\x1b') {
			t.Errorf("%s: %q can clear a terminal", d.ID, d.Fault())
		}
		if d.ID == "all-000" && (d.Claims != "all-001" || d.Status != nil) {
			t.Errorf("a device that claims to be another: %+v", d)
		}
	}
	if !strings.Contains(seen["all-000"], "says that it is all-001") || seen["all-001"] == "" || seen["ghost"] == "" {
		t.Errorf("faults: %v", seen)
	}
	if at := f.At(fleet.Place{Ring: "all", Kind: "policy"}); at.Fault == "" {
		t.Errorf("the ring retains %+v", at)
	}
	if len(f.Rollouts()) != 0 {
		t.Errorf("rollouts: %+v", f.Rollouts())
	}
	if _, foreign := f.Messages(); foreign < 6 {
		t.Errorf("%d messages left out", foreign)
	}
	r, err := f.Begin(candidate(t, 7), plan(t, []string{"all"}), quick, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r, err = f.Drive(t.Context(), r, func(fleet.Progress) {}); err != nil || r.State != stages.Done {
		t.Errorf("a rollout in spite of it: %v, %s", err, r.State)
	}
}

// TestCommand: each device answers a command that is for it alone.
func TestCommand(t *testing.T) {
	t.Parallel()
	url := startBroker(t)
	c := newCrowd(t, url)
	c.join("all", 300, "good")
	c.join("away", 1, "offline")
	f := open(t, url)
	var ids []string
	for _, d := range f.Devices() {
		ids = append(ids, d.ID)
	}
	sent, err := f.Send(t.Context(), fleet.Ask{Do: "status", Expires: time.Minute, Signers: signers(t)}, ids)
	if err != nil {
		t.Fatal(err)
	}
	all, err := sent.Wait(t.Context(), patience)
	if err != nil || len(all) != 301 {
		t.Fatalf("%v, %d answers", err, len(all))
	}
	for _, a := range all {
		if a.Online != (a.Answer != nil) {
			t.Errorf("%s: %+v", a.Device, a.Answer)
		}
	}
}

// TestCommandOfAStranger: where the root is known, a command that no device
// would obey is refused before it is sent.
func TestCommandOfAStranger(t *testing.T) {
	t.Parallel()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &seal.Root{Version: 1, Threshold: 1, Keys: []seal.Key{key.Key()}}
	f, err := fleet.Open(t.Context(), fleet.Options{Broker: broker.Options{URL: startBroker(t)}, Tenant: "acme", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	send := func(by seal.Signer) error {
		_, err := f.Send(t.Context(), fleet.Ask{Do: "status", Expires: time.Minute, Signers: []seal.Signer{by}}, []string{"a"})
		return err
	}
	if err := send(signer(t)); seal.Reason(err) != seal.UnknownKey {
		t.Errorf("a stranger's command: %v", err)
	}
	if err := send(key); err != nil {
		t.Error(err)
	}
}
