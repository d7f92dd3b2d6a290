package learn

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrKept says that what was to be kept or read could not be.
var ErrKept = errors.New("what was found out about answers cannot be kept")

// Parts are what a learner is made of. Shelf and History may return nil while
// there is none.
type Parts struct {
	Shelf   func() Shelf
	History func() History
}

// Settings are what may change while a learner runs, see [Learner.Swap].
type Settings struct {
	Off bool // nothing is kept
}

// Learner keeps what is found out about answers. Its methods may be called from
// any goroutine. Make it with [New].
type Learner struct {
	parts    Parts
	settings atomic.Pointer[Settings]
}

// New makes a learner with the settings that are in force.
func New(p Parts, s Settings) *Learner {
	l := &Learner{parts: p}
	l.Swap(s)
	return l
}

// Swap puts other settings in force.
func (l *Learner) Swap(s Settings) { l.settings.Store(&s) }

// Counts is how many labels are kept, by source; nil is not known.
func (l *Learner) Counts(ctx context.Context) map[string]int64 {
	shelf := l.parts.Shelf()
	if shelf == nil {
		return nil
	}
	counts, err := shelf.Count(ctx)
	if err != nil {
		return nil
	}
	return counts
}
