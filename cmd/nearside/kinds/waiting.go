package kinds

import (
	"context"
	"maps"
	"slices"
	"time"

	"nearside/cloud/parcel"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

const maxWaiting = 4 // envelopes

// Offer is an envelope that was offered to the device.
type Offer struct {
	Envelope []byte
	From     string // by which road
	Came     int    // files that had come before it was: what [Room.Came] was then
}

// Came is how many files have come so far, for [Offer].
func (r *Room) Came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came
}

// Offered is told of every envelope that was offered and what came of it. One
// that waits for files is kept in memory and offered again when they are here;
// now, if a file came while it was looked at.
func (r *Room) Offered(o Offer, err error) {
	if seal.Reason(err) != trial.WaitsForFiles || r.keeps(o) {
		return
	}
	r.again(o)
}

// keeps has an envelope wait, unless a file came since it was offered, which may
// be its own.
func (r *Room) keeps(o Offer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.came != o.Came {
		return false
	}
	if slices.ContainsFunc(r.waiting, func(w Offer) bool { return string(w.Envelope) == string(o.Envelope) }) {
		return true
	}
	o.Envelope = slices.Clone(o.Envelope)
	r.waiting = append(r.waiting, o)
	r.waiting = r.waiting[max(0, len(r.waiting)-maxWaiting):]
	return true
}

// again offers envelopes once more.
func (r *Room) again(all ...Offer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, o := range all {
		r.o.Offer(ctx, o.Envelope, o.From)
	}
}

// got looks again at what waited for files.
func (r *Room) got(parcel.File) {
	r.mu.Lock()
	r.came++
	late, waiting := maps.Clone(r.late), r.waiting
	r.waiting = nil
	r.mu.Unlock()
	r.complete(late)
	r.again(waiting...)
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
