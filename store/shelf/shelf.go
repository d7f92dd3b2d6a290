package shelf

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"nearside/store/file"
)

const (
	maxValueBytes = 1 << 20 // of one value
	early         = 512     // entries that wait from which on the writer is behind: the next are made at once
	insertPiece   = 32      // rows written at a time, which is also a pack
)

// Reserve is room on the disk that can be given up.
type Reserve interface {
	Drop()      // gives it up, where there is any left
	Lean() bool // it is given up: files should not grow until there is one again
}

// Options say where a shelf is and how much it keeps.
type Options struct {
	File    *file.File
	Reserve Reserve
	Keep    time.Duration // age at which a value is of no use any more; below 0 nothing is kept
	Now     func() time.Time
	Wake    chan<- struct{} // told when the writer should hear of what waits; has room for one
}

// Shelf keeps values by key in one table of a file. Its methods may be called
// from any goroutine but for those that are for the writer: one goroutine at a
// time may call them. Make it with [Plain] or [Packed].
type Shelf struct {
	file    *file.File
	reserve Reserve
	sql     statements
	keep    atomic.Int64  // a duration
	ahead   time.Duration // how far in the future an entry may be dated; 0 is as far as it likes
	now     func() time.Time
	wake    chan<- struct{}
	backlog backlog

	presence *presence // nil: every key may be there
	packer   *packer   // nil: each value is in its own row
}

// Plain is a shelf in a table of that name, each value in its own row, with a
// filter in memory of the keys that are there. What is dated more than a day ahead
// is removed. It counts what is there.
func Plain(ctx context.Context, table string, o Options) (*Shelf, error) {
	h := &Shelf{sql: statementsFor(table), presence: newPresence(o.File.Quota), ahead: maxAhead}
	return h, h.open(ctx, o)
}

// Packed is a shelf in the tables decisions and packs, for values that are much
// alike and keys that come once. It counts what is there.
func Packed(ctx context.Context, o Options) (*Shelf, error) {
	h := &Shelf{sql: statementsForPacked(), packer: newPacker()}
	return h, h.open(ctx, o)
}

func (h *Shelf) open(ctx context.Context, o Options) error {
	h.file, h.reserve, h.now, h.wake = o.File, o.Reserve, o.Now, o.Wake
	h.Keep(o.Keep)
	return h.count(ctx)
}

// Keep sets the age at which a value is of no use any more; below 0 none is kept.
func (h *Shelf) Keep(d time.Duration) { h.keep.Store(int64(d)) }

// Waiting is how many values wait for the writer.
func (h *Shelf) Waiting() int { return h.backlog.len() }

// Due tells whether a whole batch waits for the writer, by number or by bytes.
func (h *Shelf) Due() bool { return h.backlog.due() }

// Put queues a value of that time, in Unix milliseconds, on the terms of
// [Shelf.PutLate]. It must not be changed any more.
func (h *Shelf) Put(key string, value []byte, at int64) {
	h.put(&entry{key: key, value: filled(value), at: at})
}

// PutLate queues a value that encode appends when somebody wants it, on other
// goroutines but on one at a time. It never blocks: what is too large or finds the
// queue full is dropped and counted. It can be read at once, and takes the place of
// an older one.
func (h *Shelf) PutLate(key string, at int64, encode func(to []byte) []byte) {
	h.put(&entry{key: key, late: true, encode: encode, at: at})
}

func (h *Shelf) put(e *entry) {
	if h.keep.Load() < 0 {
		return
	}
	if h.tooLarge(e) {
		h.file.NoteTooLarge(1)
		return
	}
	ok, due := h.presence.add(e, h.backlog.add)
	if !ok {
		h.file.NoteDropped(1)
	}
	if ok && h.backlog.len() > early {
		e.bytes() // by whoever brings it: what it is made of is twice as large, and the writer is behind
	}
	if !due {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default: // the writer has been told already
	}
}

// tooLarge speaks of what is there of the entry.
func (h *Shelf) tooLarge(e *entry) bool {
	return int64(len(e.key)+len(e.value)) > h.mostBytes()
}

// mostBytes is how many a key and its value may take together.
func (h *Shelf) mostBytes() int64 { return min(maxValueBytes, h.file.Quota/16) }

// Get finds a value and its time, in Unix milliseconds. The value must not be
// changed.
func (h *Shelf) Get(ctx context.Context, key string) (value []byte, at int64, ok bool, err error) {
	if !h.presence.may(key) {
		return nil, 0, false, nil // nor among those that wait
	}
	if e, ok := h.backlog.find(key); ok {
		return e.bytes(), e.at, true, nil
	}
	return h.read(ctx, key)
}

// read finds a value in the table. An entry leaves the backlog only after its
// commit, so it is always in one of the two places.
func (h *Shelf) read(ctx context.Context, key string) (value []byte, at int64, ok bool, err error) {
	ctx = context.WithoutCancel(ctx) // one row takes no time, and a context that can end costs a goroutine
	var row struct {
		value, packed []byte
		at            int64
		place         int
	}
	err = h.file.Readers.QueryRowContext(ctx, h.sql.get, key).Scan(&row.value, &row.at, &row.packed, &row.place)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, false, nil
	}
	if row.packed != nil && err == nil {
		row.value, err = new(unpacker).value(0, row.packed, row.place)
	}
	return row.value, row.at, err == nil, err
}

// Flush commits one batch and says whether more waited than it holds. A batch that
// fails even after room was made is given up, so that a bad disk cannot fill the
// memory. It is for the writer.
func (h *Shelf) Flush(ctx context.Context) (more bool) {
	batch, more := h.backlog.take(h.batchBytes())
	if len(batch) == 0 {
		return false
	}
	l := h.load(batch)
	err := h.save(ctx, l)
	if file.IsTaken(err) {
		l = h.loadAgain(batch)
		err = h.save(ctx, l)
	}
	h.file.NoteTooLarge(l.tooLarge)
	if err != nil {
		h.file.NoteDropped(len(batch))
	}
	h.file.NoteWrite(err)
	h.backlog.settle(batch)
	return more
}

func (h *Shelf) save(ctx context.Context, l load) error {
	return h.withRoom(ctx, l.pages(), func() error {
		_, err := h.commit(ctx, l)
		return err
	})
}

func (h *Shelf) batchBytes() int {
	if h.reserve.Lean() {
		return leanBytes
	}
	return int(min(batchBytes, h.file.Quota/8))
}
