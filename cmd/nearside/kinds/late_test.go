package kinds_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cmd/nearside/kinds"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// TestFolderLater: a document whose files cannot be kept or fetched for a reason
// that may pass is not refused for it, nor given up at a boot: it is in force
// soon after the reason has passed.
func TestFolderLater(t *testing.T) {
	s := newStock(t)
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, s, 1)
		p := w.write(seal.KindCalibration, 1)
		for p.junk {
			p = w.write(seal.KindCalibration, 1)
		}
		payload := &seal.Payload{Kind: p.kind, Version: 1, Body: "metered: allow", Files: p.files}
		w.dir = filepath.Join(w.dir, "parcels")
		if err := os.WriteFile(w.dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.start()
		hook := w.room.Hook(p.kind)
		if err := hook.Validate(t.Context(), payload); seal.Reason(err) != trial.WaitsForFiles {
			t.Errorf("offered: got %v", err)
		}
		if err := hook.Apply(t.Context(), payload); err != nil || len(w.room.Said()) != 1 {
			t.Errorf("at boot: got %v, %+v", err, w.room.Said())
		}
		<-time.After(10 * time.Minute)
		if err := os.Remove(w.dir); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if said := w.room.Said(); len(said) > 0 || w.fetches != len(p.files) {
			t.Errorf("the folder can be made: %+v, %d fetches", said, w.fetches)
		}
		w.stopped()

		without := kinds.NewRoom(kinds.Options{
			Dir: w.dir, Via: func() (http.RoundTripper, error) { return nil, errors.New("no certificate") }, Renew: func() {},
		})
		if err := without.Hook(p.kind).Apply(t.Context(), payload); err != nil || len(without.Said()) > 0 {
			t.Errorf("nothing can be fetched, and all is here: %v, %+v", err, without.Said())
		}
	})
}

// TestRunnerUp: where the newest that waits turns out to be of no use, the one
// before it is fetched and put in force, though nobody brings it again.
func TestRunnerUp(t *testing.T) {
	s := newStock(t)
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, s, 3)
		write := func(version int64, junk bool) *paper {
			for {
				if p := w.write(seal.KindCalibration, version); p.junk == junk {
					return p
				}
			}
		}
		w.start()
		defer func() { w.stopped() }()
		w.locked(func() { w.offline = true })
		for _, p := range []*paper{write(1, false), write(2, true), write(3, true)} {
			w.offer(p)
		}
		w.locked(func() { w.offline = false })
		w.room.Wake()
		<-time.After(time.Hour)
		synctest.Wait()
		if now := w.inForce(seal.KindCalibration); now != 1 || len(w.room.Said()) > 0 || w.fetches > 9 {
			t.Errorf("version %d is in force, %+v, after %d fetches", now, w.room.Said(), w.fetches)
		}
	})
}

// TestRotInForce: what a document in force lost on the disk is fetched, and then
// the settings are made anew.
func TestRotInForce(t *testing.T) {
	h := newHouse(t)
	p := &seal.Payload{Kind: seal.KindGate, Files: []seal.File{h.names(trained(t, "open", "close"))}}
	h.run(t)
	if err := h.Hook(p.Kind).Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	within(t, "renewed without it", h.renewed)
	within(t, "renewed with it", h.renewed)
	g := h.Over(h.cfg, nil).Local.Gate
	if err := os.WriteFile(filepath.Join(h.dir, p.Files[0].SHA256), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := g.Read(); err == nil {
		t.Errorf("read %d bytes of what was altered", len(data))
	}
	within(t, "renewed when it was fetched again", h.renewed)
	if _, err := g.Read(); err != nil {
		t.Error(err)
	}
}

// TestStaysWhileJudged: what is dropped keeps its files for who steers next, and a
// document that was found to be good keeps them until it is in force, though no
// other names them any more.
func TestStaysWhileJudged(t *testing.T) {
	h := newHouse(t)
	stop := h.run(t)
	p := &seal.Payload{Kind: seal.KindGate, Version: 1, Files: []seal.File{h.names(trained(t, "open", "close"))}}
	applied := func(p *seal.Payload) {
		t.Helper()
		if err := h.Hook(p.Kind).Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		within(t, "renewed", h.renewed)
	}
	applied(p)
	within(t, "renewed with its file", h.renewed)
	h.Drop()
	within(t, "renewed with none", h.renewed)
	applied(p)
	stop()
	h.Room = kinds.NewRoom(h.options())
	if err := h.Hook(p.Kind).Validate(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(h.dir, "stray")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	gone := make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Stat(stray); err != nil {
				close(gone)
				return
			}
		}
	}()
	within(t, "what nobody names is removed", gone)
	applied(p)
	if gateOf(h) != "gate-shop" || h.asked.Load() != 1 {
		t.Errorf("in force is %q, asked %d times", gateOf(h), h.asked.Load())
	}
}
