package kinds

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"nearside/cloud/parcel"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

const offerAgain = time.Minute // what could not be decided

// Offer is an envelope that was offered to the device.
type Offer struct {
	Envelope []byte
	From     string // by which road
}

// waiter is a document that waits for its files.
type waiter struct {
	Offer
	of     *seal.Payload
	wishes []parcel.Wish
}

// Waits is told of every envelope that was refused since its files are not here,
// after [Hook.Validate] looked at it and before that looks at another. Its files
// are fetched, and [Room.Run] offers it again when one has come; at once, if one
// came since it was looked at. Of each kind only the newest document waits, in
// memory: an older one would be of no use when that is here. Waits does not wait,
// however long the look took and whoever gave it up.
func (r *Room) Waits(o Offer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, came := r.looked, r.cameBefore
	if w == nil || r.newerWaits(w.of) {
		return
	}
	w.Offer = Offer{slices.Clone(o.Envelope), o.From}
	r.waiting[w.of.Kind] = w
	r.wish()
	if r.came != came {
		r.askAgain()
	}
}

// newerWaits tells whether a document of that kind waits that would take the
// place of this one. r.mu is held.
func (r *Room) newerWaits(p *seal.Payload) bool {
	w := r.waiting[p.Kind]
	return w != nil && cmp.Or(cmp.Compare(w.of.Epoch, p.Epoch), cmp.Compare(w.of.Version, p.Version)) > 0
}

// wish has those files fetched that a document waits for, and only those. r.mu
// is held.
func (r *Room) wish() {
	if r.yard == nil {
		return
	}
	var all []parcel.Wish
	for _, kind := range Names() {
		if w := r.waiting[kind]; w != nil {
			all = append(all, w.wishes...)
		}
	}
	r.yard.Want("waiting", all...)
}

// askAgain has what waits be offered again.
func (r *Room) askAgain() {
	select {
	case r.due <- struct{}{}:
	default: // it will
	}
}

// again offers what waits, each time that it is due, until ctx ends.
func (r *Room) again(ctx context.Context) {
	undecided := time.NewTimer(0)
	undecided.Stop()
	defer undecided.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.due:
		case <-undecided.C:
		}
		r.mu.Lock()
		all := maps.Clone(r.waiting)
		r.mu.Unlock()
		for kind, w := range all {
			err := r.o.Offer(ctx, w.Envelope, w.From)
			if settles(err) {
				r.settled(kind, w)
			} else if seal.Reason(err) != trial.WaitsForFiles {
				undecided.Reset(offerAgain)
			}
		}
	}
}

// settles tells whether what came of an offer is its end: a document in force, or
// refused for what it is.
func settles(err error) bool {
	switch seal.Reason(err) {
	case trial.WaitsForFiles, trial.Busy, trial.NotKept, trial.NotJudged:
		return false
	case "":
		return err == nil // else it is still being looked at
	}
	return true
}

// settled has a document wait no more.
func (r *Room) settled(kind string, w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[kind] == w {
		delete(r.waiting, kind)
		r.wish()
	}
}

// Came is how many files have come so far.
func (r *Room) Came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came
}

// look is at a document that may be put in force.
func (r *Room) look(p *seal.Payload) (Document, error) {
	r.mu.Lock()
	r.looked, r.cameBefore = nil, r.came
	r.mu.Unlock()
	d, wishes, err := r.open(p)
	if seal.Reason(err) != trial.WaitsForFiles {
		return d, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = &waiter{of: p, wishes: wishes}
	if r.newerWaits(p) {
		err = &seal.Refusal{Reason: trial.WaitsForFiles, Detail: fmt.Sprintf("version %d, which is newer, waits for its files already", r.waiting[p.Kind].of.Version)}
	}
	return nil, err
}

// got looks again at what waited for files.
func (r *Room) got(parcel.File) {
	r.mu.Lock()
	r.came++
	late := maps.Clone(r.late)
	r.askAgain()
	r.mu.Unlock()
	r.complete(late)
}

// complete has those documents in force whose files are here now.
func (r *Room) complete(late map[string]*seal.Payload) {
	for kind, p := range late {
		d, _, err := r.open(p)
		if err == nil {
			r.arrived(kind, p, d)
			continue
		}
		if seal.Reason(err) != trial.WaitsForFiles {
			r.o.Log.Error("a document that was in force cannot be used", "kind", kind, "err", err)
		}
	}
}

// arrived has a document in force whose files were late, unless another took its
// place meanwhile.
func (r *Room) arrived(kind string, p *seal.Payload, d Document) {
	r.mu.Lock()
	still := r.late[kind] == p
	if still {
		r.set = r.set.With(kind, d)
		delete(r.late, kind)
	}
	r.mu.Unlock()
	if still {
		r.o.Renew()
	}
}
