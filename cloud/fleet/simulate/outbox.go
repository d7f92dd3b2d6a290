package simulate

import (
	"context"
	"slices"
	"sync"

	"nearside/cloud/push"
)

// maxNotes bounds an outbox; the oldest make way.
const maxNotes = 64

// outbox is that of a light device. The zero value is empty.
type outbox struct {
	mu      sync.Mutex // guards all below
	notes   []push.Note
	last    int64
	dropped int64
}

// add puts a note in; it takes the place of one with the same key.
func (b *outbox) add(n push.Note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.Key != "" {
		b.notes = slices.DeleteFunc(b.notes, func(old push.Note) bool { return old.Key == n.Key })
	}
	if len(b.notes) >= maxNotes {
		b.notes = slices.Delete(b.notes, 0, 1)
		b.dropped++
	}
	b.last++
	n.ID = b.last
	b.notes = append(b.notes, n)
}

func (b *outbox) Pending(_ context.Context, limit int) ([]push.Note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes[:min(limit, len(b.notes))]), nil
}

func (b *outbox) Done(_ context.Context, ids ...int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = slices.DeleteFunc(b.notes, func(n push.Note) bool { return slices.Contains(ids, n.ID) })
	return nil
}

func (b *outbox) depth() (waiting, dropped int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.notes)), b.dropped
}
