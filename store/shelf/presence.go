package shelf

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
)

// Shape of a presence filter: with 8 bits for each key and 4 of them set, one
// look-up in 40 of a key that is not there still goes to the disk (Bloom, "Space/time
// trade-offs in hash coding with allowable errors", 1970). All bits of a key are in
// one line of the processor's cache (Putze, Sanders, Singler, "Cache-, hash- and
// space-efficient Bloom filters", 2007).
const (
	bitsPerKey = 8
	bitsSet    = 4
	lineBits   = 512
	usualEntry = 1 << 10 // bytes of the quota for each key that is reckoned with
	leastKeys  = 1024
)

// presence tells which keys are not on a shelf, so that looking up a new ask
// costs no disk. It may be wrong about those that are. To nil each may be there.
type presence struct {
	seed maphash.Seed

	mu    sync.RWMutex // guards all below
	lines []line
	added int64 // since it was learned
	whole bool  // every key of the table is in it
}

// line holds the bits of some of the keys.
type line [lineBits / 64]uint64

func newPresence(quota int64) *presence {
	return &presence{seed: maphash.MakeSeed(), lines: make([]line, max(quota/usualEntry, leastKeys)*bitsPerKey/lineBits)}
}

// add takes in the key of an entry that enqueue puts in the backlog: one that was
// in neither while a filter is made anew would be missed from then on.
func (p *presence) add(e *entry, enqueue func(*entry) (ok, due bool)) (ok, due bool) {
	if p == nil {
		return enqueue(e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.added++
	e.again = p.set(p.lines, e.key) || !p.whole
	return enqueue(e)
}

// set sets the key's bits and tells whether all of them were.
func (p *presence) set(lines []line, key string) bool {
	all := true
	l, h := p.place(lines, key)
	for range bitsSet {
		word, mask := &l[h/64%uint64(len(l))], uint64(1)<<(h%64)
		all = all && *word&mask != 0
		*word |= mask
		h /= lineBits
	}
	return all
}

// may tells whether the key may be there.
func (p *presence) may(key string) bool {
	if p == nil {
		return true
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.whole {
		return true
	}
	l, h := p.place(p.lines, key)
	for range bitsSet {
		if l[h/64%uint64(len(l))]&(1<<(h%64)) == 0 {
			return false
		}
		h /= lineBits
	}
	return true
}

// place is the key's line, by the upper bits of its hash, and the hash, whose lower
// ones are the places of its bits in there.
func (p *presence) place(lines []line, key string) (*line, uint64) {
	h := maphash.String(p.seed, key)
	at, _ := bits.Mul64(h, uint64(len(lines)))
	return &lines[at], h
}

// worn tells whether so many keys were added that it says yes too often, of
// which others are gone meanwhile, or whether it does not know of all keys yet.
func (p *presence) worn() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return !p.whole || p.added > int64(len(p.lines))*lineBits/bitsPerKey/2
}

// Relearn has the shelf know again which keys are not there, where it does not
// any more. It is for the writer.
func (h *Shelf) Relearn(ctx context.Context) {
	if err := h.relearn(ctx); err != nil && ctx.Err() == nil {
		h.file.Log.Warn("every look-up goes to the disk", "file", h.file.Name, "error", err)
	}
}

// relearn makes a worn filter anew from the table and from what waits for it.
// Nothing may be committed meanwhile, so it is for the writer.
func (h *Shelf) relearn(ctx context.Context) error {
	p := h.presence
	if p == nil || !p.worn() {
		return nil
	}
	lines := make([]line, len(p.lines))
	rows, err := h.file.Readers.QueryContext(ctx, h.sql.keys)
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key sql.RawBytes
		if err := rows.Scan(&key); err != nil {
			return fmt.Errorf("read a key: %w", err)
		}
		p.set(lines, string(key))
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range h.backlog.newest() {
		p.set(lines, e.key)
	}
	p.lines, p.added, p.whole = lines, 0, true
	return nil
}
