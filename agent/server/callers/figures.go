package callers

import (
	"sync/atomic"

	"golang.org/x/time/rate"
)

// tally is what a caller did, by its name: it outlives a change of the rules.
type tally struct {
	requests atomic.Int64
	inFlight atomic.Int64
	denied   map[Reason]*atomic.Int64 // has every reason; never changes
	rule     Rate                     // of bucket; both guarded by the book's lock
	bucket   *rate.Limiter
}

func newTally() *tally {
	t := &tally{denied: map[Reason]*atomic.Int64{}}
	for _, reason := range Reasons() {
		t.denied[reason] = new(atomic.Int64)
	}
	return t
}

// limiter is the bucket for the rate: the one there is when it is the same.
func (t *tally) limiter(r Rate) *rate.Limiter {
	if r == (Rate{}) {
		t.rule, t.bucket = r, nil
		return nil
	}
	if r.Burst == 0 {
		r.Burst = r.PerMinute
	}
	if t.bucket == nil || t.rule != r {
		t.rule, t.bucket = r, rate.NewLimiter(rate.Limit(float64(r.PerMinute)/60), r.Burst)
	}
	return t.bucket
}

// refused counts the refusal and hands it on.
func (t *tally) refused(r *Refusal) error {
	t.denied[r.Reason].Add(1)
	return r
}

// Figures are what one caller did since the daemon began.
type Figures struct {
	Name     string           `json:"name"`
	Requests int64            `json:"requests"`
	Refused  map[Reason]int64 `json:"refused"`
	InFlight int64            `json:"in_flight"` // asks
}

// Figures lists the callers in the order of the rules, then [Others]. It is
// cheap enough for every scrape.
func (b *Book) Figures() []Figures {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Figures, 0, len(b.order))
	for _, name := range b.order {
		out = append(out, b.kept[name].figures(name))
	}
	return out
}

func (t *tally) figures(name string) Figures {
	f := Figures{Name: name, Requests: t.requests.Load(), InFlight: t.inFlight.Load(), Refused: map[Reason]int64{}}
	for reason, n := range t.denied {
		if n := n.Load(); n > 0 {
			f.Refused[reason] = n
		}
	}
	return f
}
