package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

const (
	expirePiece = 64             // rows removed at a time for their age
	evictPiece  = 4              // rows removed at a time for room, at least
	early       = 512            // entries that wait from which on the next are made at once
	insertPiece = 32             // rows written at a time, which is also a pack
	slackPages  = 8              // for indexes and inner pages
	maxAhead    = 24 * time.Hour // an answer dated later comes from a wrong clock, and would be young for ever
)

// shelf keeps values by key in one table of a file: a backlog in front, for one
// writer, and removal of the oldest behind.
type shelf struct {
	file    *file
	folder  *folder
	sql     statements
	keep    atomic.Int64  // a duration; below 0 nothing is kept
	ahead   time.Duration // how far in the future an entry may be dated; 0 is as far as it likes
	now     func() time.Time
	wake    chan<- struct{}
	backlog backlog

	presence *presence // nil: every key may be there
	packer   *packer   // nil: each value is in its own row
}

// put queues an entry; it never blocks. What is too large or finds the queue full
// is dropped and counted.
func (h *shelf) put(e *entry) {
	if h.keep.Load() < 0 {
		return
	}
	if h.tooLarge(e) {
		h.file.noteTooLarge(1)
		return
	}
	ok, due := h.presence.add(e, h.backlog.add)
	if !ok {
		h.file.noteDropped(1)
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
func (h *shelf) tooLarge(e *entry) bool {
	return int64(len(e.key)+len(e.value)) > h.mostBytes()
}

// mostBytes is how many a key and its value may take together.
func (h *shelf) mostBytes() int64 { return min(maxValueBytes, h.file.quota/16) }

// get finds a value, first among those not yet committed. An entry leaves the
// backlog only after its commit, so it is always in one of the two places.
func (h *shelf) get(ctx context.Context, key string) (*entry, bool, error) {
	if !h.presence.may(key) {
		return nil, false, nil // nor among those
	}
	if e, ok := h.backlog.find(key); ok {
		return e, true, nil
	}
	ctx = context.WithoutCancel(ctx) // one row takes no time, and a context that can end costs a goroutine
	e := &entry{key: key}
	var packed []byte
	var place int
	err := h.file.readers.QueryRowContext(ctx, h.sql.get, key).Scan(&e.value, &e.at, &packed, &place)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if packed != nil && err == nil {
		e.value, err = new(unpacker).value(0, packed, place)
	}
	return e, err == nil, err
}

// flush commits one batch and says whether there was one. A batch that fails even
// after room was made is given up, so that a bad disk cannot fill the memory.
func (h *shelf) flush(ctx context.Context) bool {
	batch := h.backlog.take(h.batchBytes())
	if len(batch) == 0 {
		return false
	}
	l := h.load(batch)
	err := h.save(ctx, l)
	if isTaken(err) {
		l = h.loadAgain(batch)
		err = h.save(ctx, l)
	}
	h.file.noteTooLarge(l.tooLarge)
	if err != nil {
		h.file.noteDropped(len(batch))
	}
	h.file.noteWrite(err)
	h.backlog.settle(batch)
	return true
}

func (h *shelf) save(ctx context.Context, l load) error {
	return h.withRoom(ctx, l.pages(), func() error {
		_, err := h.commit(ctx, l)
		return err
	})
}

func (h *shelf) batchBytes() int {
	if h.folder.lean() {
		return leanBytes
	}
	return int(min(batchBytes, h.file.quota/8))
}

// withRoom does a write and, if it found no room, makes some and does it again,
// even if that failed: what is left of the WAL may be enough for this write.
func (h *shelf) withRoom(ctx context.Context, pages int64, do func() error) error {
	err := do()
	if !isFull(err) {
		return err
	}
	roomErr := h.makeRoom(ctx, pages)
	if err = do(); err == nil {
		return nil
	}
	return errors.Join(err, roomErr)
}

// makeRoom is for a full disk or file: it frees the reserve, without which neither
// the WAL could be folded in nor a row deleted, and then the oldest rows.
func (h *shelf) makeRoom(ctx context.Context, pages int64) error {
	h.folder.dropReserve()
	folded := h.file.checkpoint(ctx)
	var c change
	err := inTx(ctx, h.file.writer, func(tx *sql.Tx) error {
		if err := c.measure(ctx, tx); err != nil {
			return err
		}
		c.held = h.file.rows()
		return c.evict(ctx, tx, h.sql.evict, c.pages-2*pages)
	})
	if err == nil {
		h.file.noteChange(c)
	}
	return wrap("make room", errors.Join(folded, err, h.file.checkpoint(ctx)))
}

// sweep removes a piece of what is too old or too much, and then gives back to the
// disk what a lowered quota no longer needs. It says whether there may be more.
func (h *shelf) sweep(ctx context.Context) bool {
	c, err := h.commit(ctx, load{})
	more := c.evicted > 0
	if err == nil && !more {
		more, err = h.file.shrink(ctx)
	}
	if err != nil {
		h.file.noteWrite(fmt.Errorf("upkeep: %w", err))
	}
	return more && err == nil
}

// change is what one transaction did to a table and what its file is left with.
type change struct {
	held          int64 // rows there were before
	rows, evicted int64
	pages, free   int64 // in use, and empty within the file
}

// commit writes a batch in one transaction, after removing what is too old and,
// where the quota asks for it, the oldest.
func (h *shelf) commit(ctx context.Context, l load) (change, error) {
	c := change{held: h.file.rows()}
	err := inTx(ctx, h.file.writer, func(tx *sql.Tx) error {
		if err := h.clear(ctx, tx, &c, l.pages()); err != nil {
			return err
		}
		if err := h.write(ctx, tx, &c, l); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return c.measure(ctx, tx)
	})
	if err == nil {
		h.file.noteChange(c)
	}
	return c, err
}

func (h *shelf) clear(ctx context.Context, tx *sql.Tx, c *change, need int64) error {
	oldest, latest := h.now().Add(-time.Duration(h.keep.Load())).UnixMilli(), int64(math.MaxInt64)
	if h.ahead > 0 {
		latest = h.now().Add(h.ahead).UnixMilli()
	}
	if err := c.remove(ctx, tx, h.sql.expire, oldest, latest, expirePiece); err != nil {
		return fmt.Errorf("expire: %w", err)
	}
	limit := h.file.maxPages()
	if !h.folder.lean() && h.file.pages()+need <= limit {
		return nil
	}
	if err := c.measure(ctx, tx); err != nil {
		return err
	}
	if h.folder.lean() {
		limit = min(limit, c.pages+c.free)
	}
	// A file far above its limit is brought down over several transactions.
	return c.evict(ctx, tx, h.sql.evict, max(limit-need, c.pages-2*need))
}

// evict removes the oldest rows until so many pages are in use or none is left.
func (c *change) evict(ctx context.Context, tx *sql.Tx, query string, pages int64) error {
	for c.pages > pages {
		before := c.evicted
		if err := c.remove(ctx, tx, query, c.piece(c.pages-pages)); err != nil {
			return fmt.Errorf("evict: %w", err)
		}
		if err := c.measure(ctx, tx); err != nil || c.evicted == before {
			return err
		}
	}
	return nil
}

// piece is how many rows to remove towards so many pages: half of what they
// should take by the mean, since the oldest may be larger.
func (c *change) piece(pages int64) int64 {
	return max(evictPiece, pages*(c.held+c.rows)/max(1, c.pages)/2)
}

func (c *change) remove(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	n, err := affected(tx.ExecContext(ctx, query, args...))
	c.rows -= n
	c.evicted += n
	return err
}

func (c *change) measure(ctx context.Context, tx *sql.Tx) error {
	var all int64
	err := tx.QueryRowContext(ctx, sqlPages).Scan(&all, &c.free)
	c.pages = all - c.free
	return wrap("measure", err)
}

func affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (h *shelf) count(ctx context.Context) error {
	var c change
	err := inTx(ctx, h.file.writer, func(tx *sql.Tx) error {
		return errors.Join(tx.QueryRowContext(ctx, h.sql.count).Scan(&c.rows), c.measure(ctx, tx))
	})
	h.file.noteChange(c)
	return wrap("count "+h.file.name, err)
}
