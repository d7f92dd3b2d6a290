package kinds

import (
	"context"
	"maps"
	"slices"

	"nearside/cloud/parcel"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

const maxWaiting = 4 // envelopes

// Offer is an envelope that was offered to the device.
type Offer struct {
	Envelope []byte
	From     string // by which road
}

// Waits is told of every envelope that was refused since its files are not here,
// before [Hook.Validate] looks at another. It is kept in memory, and [Room.Run]
// offers it again when a file has come; at once, if one came since it was looked
// at. Waits does not wait, however long the look took and whoever gave it up.
func (r *Room) Waits(o Offer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.waiting, func(w Offer) bool { return string(w.Envelope) == string(o.Envelope) }) {
		o.Envelope = slices.Clone(o.Envelope)
		r.waiting = append(r.waiting, o)
		r.waiting = r.waiting[max(0, len(r.waiting)-maxWaiting):]
	}
	if r.came != r.looked {
		r.askAgain()
	}
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.due:
		}
		r.mu.Lock()
		all := r.waiting
		r.waiting = nil
		r.mu.Unlock()
		for _, o := range all {
			r.o.Offer(ctx, o.Envelope, o.From)
		}
	}
}

// Came is how many files have come so far.
func (r *Room) Came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came
}

// look begins a look at a document.
func (r *Room) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = r.came
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
		d, err := r.open(p, kind)
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
