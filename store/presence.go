package store

import (
	"context"
	"database/sql"
	"hash/maphash"
	"sync"
)

// Shape of a presence filter: with 8 bits for each key and 4 of them set, one
// look-up in 40 of a key that is not there still goes to the disk (Bloom, "Space/time
// trade-offs in hash coding with allowable errors", 1970).
const (
	bitsPerKey = 8
	bitsSet    = 4
	usualEntry = 1 << 10 // bytes of the quota for each key that is reckoned with
	leastKeys  = 1024
)

// presence tells which keys are not on a shelf, so that looking up a new ask
// costs no disk. It may be wrong about those that are. To nil each may be there.
type presence struct {
	seed maphash.Seed
	size uint64 // in bits

	mu    sync.RWMutex // guards all below
	bits  []uint64
	added int64 // since it was learned
	whole bool  // every key of the table is in it
}

func newPresence(quota int64) *presence {
	size := uint64(max(quota/usualEntry, leastKeys) * bitsPerKey)
	return &presence{seed: maphash.MakeSeed(), size: size, bits: make([]uint64, size/64+1)}
}

// add takes in the key of an entry that enqueue puts in the backlog: one that was
// in neither while a filter is made anew would be missed from then on.
func (p *presence) add(e *entry, enqueue func(*entry) (ok, due bool)) (ok, due bool) {
	if p == nil {
		e.again = true
		return enqueue(e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.added++
	e.again = p.set(p.bits, e.key) || !p.whole
	return enqueue(e)
}

// set sets the key's bits and tells whether all of them were.
func (p *presence) set(bits []uint64, key string) bool {
	all := true
	for i := range uint64(bitsSet) {
		word, mask := p.place(key, i)
		all = all && bits[word]&mask != 0
		bits[word] |= mask
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
	for i := range uint64(bitsSet) {
		if word, mask := p.place(key, i); p.whole && p.bits[word]&mask == 0 {
			return false
		}
	}
	return true
}

// place is the key's i-th bit.
func (p *presence) place(key string, i uint64) (word, mask uint64) {
	h := maphash.String(p.seed, key)
	bit := (h + i*(h>>32|1)) % p.size
	return bit / 64, 1 << (bit % 64)
}

// worn tells whether so many keys were added that it says yes too often, of
// which others are gone meanwhile, or whether it does not know of all keys yet.
func (p *presence) worn() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return !p.whole || p.added > int64(p.size)/bitsPerKey/2
}

// relearn makes a worn filter anew from the table and from what waits for it.
// Nothing may be committed meanwhile, so it is for the writer.
func (h *shelf) relearn(ctx context.Context) error {
	p := h.presence
	if p == nil || !p.worn() {
		return nil
	}
	bits := make([]uint64, len(p.bits))
	rows, err := h.file.readers.QueryContext(ctx, h.sql.keys)
	if err != nil {
		return wrap("list keys", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key sql.RawBytes
		if err := rows.Scan(&key); err != nil {
			return wrap("read a key", err)
		}
		p.set(bits, string(key))
	}
	if err := rows.Err(); err != nil {
		return wrap("list keys", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range h.backlog.newest() {
		p.set(bits, e.key)
	}
	p.bits, p.added, p.whole = bits, 0, true
	return nil
}
