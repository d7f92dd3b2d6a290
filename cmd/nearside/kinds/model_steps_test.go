package kinds_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/policy/seal"
)

// step has something happen.
func (w *town) step() {
	w.events++
	kind := []string{seal.KindGate, seal.KindCalibration}[w.random.IntN(2)]
	switch n := w.random.IntN(100); {
	case n < 25:
		w.highest[kind]++
		w.offer(w.write(kind, w.highest[kind]))
	case n < 30 && w.highest[kind] > 1:
		w.offer(w.write(kind, 1+w.random.Int64N(w.highest[kind])))
	case n < 37 && len(w.papers) > 0:
		w.offer(w.papers[w.random.IntN(len(w.papers))])
	case n < 55:
		w.locked(w.turns)
		w.room.Wake()
	case n < 80:
		<-time.After(time.Duration(w.random.Int64N(int64([]time.Duration{time.Second, time.Minute, 3 * time.Hour}[w.random.IntN(3)]))))
	case n < 84:
		w.stopped()
		w.forget()
		w.start()
	case n < 87:
		synctest.Wait() // until the record is read
		if err := w.steer.Reset(w.t.Context(), false); err != nil {
			w.t.Error(err)
		}
		w.forget()
	case n < 90:
		w.unsteer()
		w.room.Drop()
		w.forget()
		w.steers()
	case n < 94:
		w.spoils()
	default:
		synctest.Wait()
	}
}

// turns changes the network, the disk or a path of the server.
func (w *town) turns() {
	switch w.random.IntN(6) {
	case 0:
		w.offline = !w.offline
	case 1:
		w.metered = !w.metered
	case 2:
		w.full = !w.full
	default:
		for path := range w.files {
			if w.random.IntN(3) == 0 {
				w.bad[path] = []string{"", "", "lost", "gone", "busy", "altered", "cut"}[w.random.IntN(7)]
			}
		}
	}
}

// had tells whether all files of a document can be had.
func (w *town) had(p *paper) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(p.files, func(f seal.File) bool {
		_, err := os.Stat(w.dir + "/" + f.SHA256)
		return err != nil && w.bad[strings.TrimPrefix(f.URL, "https://files.example")] != ""
	})
}

// ends tells what does not hold when all has been quiet for long.
func (w *town) ends() {
	named := map[string]bool{}
	for _, kind := range []string{seal.KindGate, seal.KindCalibration} {
		all, now, sure := slices.Clone(w.alive[kind]), w.inForce(kind), true
		slices.SortStableFunc(all, func(a, b *paper) int { return int(b.version - a.version) })
		for i, p := range all[:min(4, len(all))] {
			w.names(named, kind, p.version)
			if p.junk && p.version != now {
				sure = sure && w.had(p) // else it may wait still, or was refused when it could be had
				continue
			}
			if w.had(p) && p.version != now && sure {
				w.t.Errorf("%s: version %d is in force, %d could be", kind, now, p.version)
			}
			if alone := len(all) == i+1 || all[i+1].version != now; w.had(p) && p.version == now && alone {
				w.holds(kind)
			}
			break
		}
		w.names(named, kind, now)
	}
	for _, m := range w.room.Missing() {
		if !named[m.Name] {
			w.t.Errorf("%s is wanted, and no document in force or waiting names it: %+v", m.Name, m)
		}
	}
}

// names takes in the files of that version.
func (w *town) names(all map[string]bool, kind string, version int64) {
	for _, p := range w.papers {
		if p.kind != kind || p.version != version {
			continue
		}
		for _, f := range p.files {
			all[f.Name] = true
		}
	}
}

// holds tells whether the document that the record says is in force is.
func (w *town) holds(kind string) {
	for _, n := range w.room.Said() {
		if n.Kind == kind && n.Whole {
			w.t.Errorf("%s: %s", kind, n.Text)
		}
	}
}

// TestModel tries what may happen to documents that name files, in any order:
// when all is quiet the newest that can be is in force, nothing goes on that
// nobody needs, and what was done is a few times what happened.
func TestModel(t *testing.T) {
	s := newStock(t, trained(t, "open", "close"), trained(t, "stop", "go"))
	for seed := *firstSeed; seed < *firstSeed+*manySeeds; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t, s, seed)
			w.start()
			for range 40 {
				w.step()
			}
			w.locked(func() { w.offline, w.metered, w.full = false, false, false })
			w.room.Wake()
			<-time.After(50 * time.Hour)
			synctest.Wait()
			w.ends()
			looks, fetches := w.looks, w.fetches
			if looks > 4*w.events || fetches > 4*w.events {
				t.Errorf("%d looks and %d fetches, of %d events", looks, fetches, w.events)
			}
			<-time.After(50 * time.Hour)
			synctest.Wait()
			if w.looks != looks || w.fetches != fetches {
				t.Errorf("%d looks and %d fetches, though nothing happened", w.looks-looks, w.fetches-fetches)
			}
			w.stopped()
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}
