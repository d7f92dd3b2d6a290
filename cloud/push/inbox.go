package push

import (
	"context"
	"slices"
	"sync"
)

// Bounds of what waits to be delivered.
const (
	inboxMessages = 64
	inboxBytes    = 1 << 20
)

// letter is a message with what is to be done once it was delivered.
type letter struct {
	Message
	command bool
	ack     func()
}

// inbox holds what came in until it is delivered, in the order in which it
// came. Of a topic that is retained only the newest counts and takes the place
// of the one before; commands each count. When it is full what comes is dropped,
// unless it replaces something.
type inbox struct {
	some chan struct{} // there may be a letter

	mu      sync.Mutex // guards all below
	waiting []*letter
	bytes   int
	total   tally
}

// tally counts what was not delivered.
type tally struct{ dropped, replaced uint64 }

func newInbox() *inbox { return &inbox{some: make(chan struct{}, 1)} }

// add says whether the letter was taken. It never blocks.
func (b *inbox) add(l *letter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.older(l); at >= 0 {
		b.bytes += len(l.Body) - len(b.waiting[at].Body)
		b.waiting[at] = l
		b.total.replaced++
		return true
	}
	if len(b.waiting) >= inboxMessages || b.bytes+len(l.Body) > inboxBytes {
		b.total.dropped++
		return false
	}
	b.waiting = append(b.waiting, l)
	b.bytes += len(l.Body)
	poke(b.some)
	return true
}

// older finds the letter whose place this one takes.
func (b *inbox) older(l *letter) int {
	if l.command {
		return -1
	}
	return slices.IndexFunc(b.waiting, func(w *letter) bool { return w.Topic == l.Topic })
}

// take waits for the oldest letter; nil when ctx ends.
func (b *inbox) take(ctx context.Context) *letter {
	for {
		if l := b.first(); l != nil {
			return l
		}
		select {
		case <-b.some:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *inbox) first() *letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		return nil
	}
	l := b.waiting[0]
	b.waiting = slices.Delete(b.waiting, 0, 1)
	b.bytes -= len(l.Body)
	return l
}

func (b *inbox) counts() tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}
