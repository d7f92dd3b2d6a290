package trial

import "time"

// Watch looks at a document on trial from its swap on, or from the start of
// the process when it was swapped in before. One goroutine uses it.
type Watch struct {
	start   Figures // of this life, when the watch began
	earlier Figures // of earlier lives
	watched time.Duration
	usual   Figures
	looks   []look // the latest, oldest first, as far back as a slow ask
}

// look is how many asks had begun at a time.
type look struct {
	at    time.Duration
	begun int64
}

// NewWatch begins with the figures of now. The record has the time before and
// what earlier lives saw.
func NewWatch(p Probation, now Figures) *Watch {
	return &Watch{start: now, earlier: p.Sofar, watched: p.Watched, usual: p.Usual, looks: []look{{0, now.Begun}}}
}

// Look judges with the figures of now, elapsed after the watch began.
func (w *Watch) Look(elapsed time.Duration, now Figures) Judgement {
	since, total := w.Sofar(elapsed, now)
	return Verdict(w.usual, since, w.late(elapsed, now), total)
}

// Sofar is what came of asks under trial, and for how long, all lives
// together.
func (w *Watch) Sofar(elapsed time.Duration, now Figures) (Figures, time.Duration) {
	return w.earlier.Plus(now.Since(w.start)), w.watched + elapsed
}

// late is how many of the asks that began under trial wait for longer than the
// limit. It is a lower bound: those that were underway at the swap are taken
// to have ended last.
func (w *Watch) late(elapsed time.Duration, now Figures) int64 {
	w.looks = append(w.looks, look{elapsed, now.Begun})
	limit := time.Duration(slowMS(w.usual) * float64(time.Millisecond))
	for len(w.looks) > 1 && w.looks[1].at <= elapsed-limit {
		w.looks = w.looks[1:]
	}
	old := w.looks[0]
	if old.at > elapsed-limit {
		return 0
	}
	return max(0, old.begun-w.start.Begun-(now.Asks+now.Gone-w.start.Asks-w.start.Gone))
}
