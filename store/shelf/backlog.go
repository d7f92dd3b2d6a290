package shelf

import (
	"slices"
	"sync"
)

// A backlog has room for what comes within a few tenths of a second under full
// load, while the writer waits for the disk.
const (
	backlogItems = 4096
	backlogBytes = 6 << 20
	batchItems   = 768
	batchBytes   = 3 << 20
	leanBytes    = 64 << 10 // of a batch on a full disk, so that the WAL need not grow
)

// entry is one value on its way to a shelf. It does not change once queued, but
// that a value may be made only when somebody wants it.
type entry struct {
	key   string
	at    int64 // Unix milliseconds
	again bool  // there may be a row of this key, or one before it in the batch
	late  bool  // the value was not there from the first

	mu     sync.Mutex             // guards both below
	value  []byte                 // nil until it was kept
	encode func(to []byte) []byte // appends a late value; nil once that is kept
}

// usualRecord is what an entry counts for whose value was not there from the first.
const usualRecord = 3 << 10

func (e *entry) size() int {
	if e.late {
		return len(e.key) + usualRecord
	}
	return len(e.key) + len(e.value) + 64
}

// bytes is the value, made and kept if it was not there.
func (e *entry) bytes() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.encode != nil {
		e.value, e.encode = filled(e.encode(nil)), nil
	}
	return e.value
}

// appendTo appends the value. One that is made for this is not kept.
func (e *entry) appendTo(b []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.encode != nil {
		return e.encode(b)
	}
	return append(b, e.value...)
}

// filled is never nil, which would be NULL.
func filled(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

// backlog holds entries until the writer has committed them, bounded in number
// and bytes, and answers for them meanwhile. One goroutine may take and settle.
type backlog struct {
	mu      sync.Mutex // guards all below
	waiting []*entry   // oldest first
	latest  map[string]*entry
	bytes   int
}

// add refuses an entry when there is no room: what waits is older and was promised.
// due tells whether the writer should hear of it: of the first, and of a whole batch.
func (b *backlog) add(e *entry) (ok, due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= backlogItems || b.bytes+e.size() > backlogBytes {
		return false, true
	}
	if b.latest == nil {
		b.latest = map[string]*entry{}
	}
	b.waiting = append(b.waiting, e)
	b.latest[e.key] = e
	b.bytes += e.size()
	large := b.bytes >= batchBytes && b.bytes-e.size() < batchBytes
	return true, len(b.waiting) == 1 || len(b.waiting) == batchItems || large
}

// due tells whether a whole batch waits, by number or by bytes.
func (b *backlog) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) >= batchItems || b.bytes >= batchBytes
}

// take returns the oldest entries that make a batch of at most so many bytes (or
// the first alone) and leaves them in place, so that they can still be found. more
// tells whether others wait.
func (b *backlog) take(maxBytes int) (batch []*entry, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, bytes := 0, 0
	for n < min(len(b.waiting), batchItems) && (n == 0 || bytes+b.waiting[n].size() <= maxBytes) {
		bytes += b.waiting[n].size()
		n++
	}
	return slices.Clone(b.waiting[:n]), n < len(b.waiting)
}

// settle forgets a batch that was taken, after it was committed or given up.
func (b *backlog) settle(batch []*entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(batch) == len(b.waiting) {
		clear(b.waiting)
		clear(b.latest)
		b.waiting, b.bytes = b.waiting[:0], 0
		return
	}
	for _, e := range batch {
		b.bytes -= e.size()
		if b.latest[e.key] == e {
			delete(b.latest, e.key)
		}
	}
	b.waiting = slices.Delete(b.waiting, 0, len(batch))
}

func (b *backlog) find(key string) (*entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.latest[key]
	return e, ok
}

// newest lists what waits, newest first.
func (b *backlog) newest() []*entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.waiting)
	slices.Reverse(list)
	return list
}

func (b *backlog) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}
