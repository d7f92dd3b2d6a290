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

const (
	offerAgain = time.Minute // what could not be decided, or not read
	maxWaiting = 4           // documents of a kind
)

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

// newer tells whether a document would take the place of the other.
func (w *waiter) newer(o *waiter) bool { return w.compare(o) > 0 }

func (w *waiter) compare(o *waiter) int {
	return cmp.Or(cmp.Compare(w.of.Epoch, o.of.Epoch), cmp.Compare(w.of.Version, o.of.Version))
}

// queue is the documents that wait, the newest first, with another one: a few.
func queue(all []*waiter, w *waiter) []*waiter {
	all = slices.DeleteFunc(slices.Clone(all), func(o *waiter) bool { return o.compare(w) == 0 && o.of.Digest == w.of.Digest })
	at := slices.IndexFunc(all, w.newer)
	if at < 0 {
		at = len(all)
	}
	all = slices.Insert(all, at, w)
	return all[:min(len(all), maxWaiting)]
}

// Waits is told of every envelope that was refused since its files are not here,
// after [Hook.Validate] looked at it and before that looks at another. Its files
// are fetched, and [Room.Run] offers it again when one has come; at once, if one
// came since it was looked at. Of each kind that is done for the newest document
// alone: an older one would be of no use when that is here. It takes its place
// when the newer one is refused. All wait in memory. Waits does not wait, however
// long the look took and whoever gave it up.
func (r *Room) Waits(o Offer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.looked
	if w == nil {
		return
	}
	r.looked = nil
	w.Offer = Offer{slices.Clone(o.Envelope), o.From}
	r.waiting[w.of.Kind] = queue(r.waiting[w.of.Kind], w)
	r.wish()
	if r.came != r.cameBefore {
		knock(r.due)
	}
	if r.here(w) {
		knock(r.later)
	}
}

// first is the document of a kind that waits and is fetched for, nil for none.
// r.mu is held.
func (r *Room) first(kind string) *waiter {
	if all := r.waiting[kind]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// here tells whether all files of a document are here as far as is known, so that
// none of them will come. r.mu is held.
func (r *Room) here(w *waiter) bool {
	return r.yard == nil || !slices.ContainsFunc(w.wishes, func(f parcel.Wish) bool { return !r.yard.Has(f.File) })
}

// wishes are the files of the documents of a kind. What was in force is not needed
// when the one that waits is here. r.mu is held.
func (r *Room) wishes(kind string) []parcel.Wish {
	var all []parcel.Wish
	for _, w := range []*waiter{r.first(kind), r.late[kind]} {
		if w != nil {
			all = append(all, w.wishes...)
		}
	}
	if d := r.set[kind]; d != nil {
		all = append(all, d.Wishes()...)
	}
	return all
}

// wish has those files fetched that documents name which are in force or wait, and
// only those. r.mu is held.
func (r *Room) wish() {
	if r.yard == nil {
		return
	}
	var all []parcel.Wish
	for _, kind := range Names() {
		all = append(append(all, r.wishes(kind)...), r.kept[kind]...)
	}
	r.yard.Want("documents", append(all, r.judged...)...)
}

// knock says that there is something to do. It never waits.
func knock(door chan struct{}) {
	select {
	case door <- struct{}{}:
	default: // it was said
	}
}

// again looks at what waits each time that a file came, and in a while at what no
// file will wake, until ctx ends.
func (r *Room) again(ctx context.Context) {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.later:
			timer.Reset(offerAgain)
			continue
		case <-r.due:
		case <-timer.C:
		}
		r.mend()
		for _, kind := range Names() {
			r.offer(ctx, kind)
		}
	}
}

// offer offers the document of a kind that waits, if its files are here.
func (r *Room) offer(ctx context.Context, kind string) {
	r.mu.Lock()
	w := r.first(kind)
	ready := w != nil && r.here(w)
	r.mu.Unlock()
	if !ready {
		return
	}
	err := r.o.Offer(ctx, w.Envelope, w.From)
	if settles(err) {
		r.settled(kind, w)
	} else if seal.Reason(err) != trial.WaitsForFiles {
		knock(r.later)
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

// settled has a document wait no more, and the next older one be looked at.
func (r *Room) settled(kind string, w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[kind] = slices.DeleteFunc(r.waiting[kind], func(o *waiter) bool { return o == w })
	r.wish()
	if len(r.waiting[kind]) > 0 {
		knock(r.due)
	}
}

// Came is how many files have come so far.
func (r *Room) Came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came
}

// look is at a document that may be put in force. Its files stay until it is, or
// until the next look.
func (r *Room) look(p *seal.Payload) (Document, error) {
	d, err := Read(p)
	if err != nil {
		return nil, &seal.Refusal{Reason: trial.Invalid, Detail: err.Error()}
	}
	w := &waiter{of: p, wishes: d.Wishes()}
	r.mu.Lock()
	r.looked, r.judged, r.cameBefore = nil, kept(w.wishes), r.came
	r.wish()
	r.mu.Unlock()
	d, err = r.load(d, w.wishes)
	if seal.Reason(err) != trial.WaitsForFiles {
		return d, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = w
	if first := r.first(p.Kind); first != nil && first.newer(w) {
		err = waits(fmt.Sprintf("version %d, which is newer, waits for its files already", first.of.Version))
	}
	return nil, err
}

// got takes note of a file that has come, for the documents that wait for it.
func (r *Room) got(f parcel.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came++
	for _, d := range r.set {
		r.rotten = r.rotten || slices.ContainsFunc(d.Wishes(), func(w parcel.Wish) bool { return w.SHA256 == f.SHA256 })
	}
	knock(r.due)
}

// mend has those documents in force whose files are here now, and those read anew
// whose files were lost since.
func (r *Room) mend() {
	r.mu.Lock()
	late, renew := maps.Clone(r.late), r.rotten
	r.rotten = false
	r.mu.Unlock()
	for kind, w := range late {
		d, _, err := r.open(w.of)
		if err == nil {
			renew = r.arrived(kind, w, d) || renew
			continue
		}
		if seal.Reason(err) != trial.WaitsForFiles {
			r.o.Log.Error("a document that was in force cannot be used", "kind", kind, "err", err)
			continue
		}
		r.mu.Lock()
		if r.here(w) {
			knock(r.later)
		}
		r.mu.Unlock()
	}
	if renew {
		r.o.Renew()
	}
}

// arrived has a document in force whose files were late, unless another took its
// place meanwhile.
func (r *Room) arrived(kind string, w *waiter, d Document) (still bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if still = r.late[kind] == w; still {
		r.set = r.set.With(kind, d)
		delete(r.late, kind)
		r.wish()
	}
	return still
}
