package shelf

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"nearside/store/file"
)

const (
	expirePiece = 64             // rows removed at a time for their age
	evictPiece  = 4              // rows removed at a time for room, at least
	slackPages  = 8              // for indexes and inner pages, at most
	maxAhead    = 24 * time.Hour // a value dated later comes from a wrong clock, and would be young for ever
)

// WithRoom does a write of so many bytes to the shelf's file, beside the shelf's
// own, and makes room for it where there is none.
func (h *Shelf) WithRoom(ctx context.Context, bytes int64, do func() error) error {
	return h.withRoom(ctx, pagesFor(bytes), do)
}

// withRoom does a write and, if it found no room, makes some and does it again,
// even if that failed: what is left of the WAL may be enough for this write.
func (h *Shelf) withRoom(ctx context.Context, pages int64, do func() error) error {
	err := do()
	if !file.IsFull(err) {
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
func (h *Shelf) makeRoom(ctx context.Context, pages int64) error {
	h.reserve.Drop()
	folded := h.file.Checkpoint(ctx)
	var c change
	err := h.file.InTx(ctx, func(tx *sql.Tx) error {
		if err := c.measure(ctx, tx); err != nil {
			return err
		}
		c.held = h.file.Rows()
		return c.evict(ctx, tx, h.sql.evict, c.pages-2*pages)
	})
	if err == nil {
		h.file.NoteChange(c.rows, c.evicted, c.pages)
	}
	if err = errors.Join(folded, err, h.file.Checkpoint(ctx)); err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	return nil
}

// Sweep removes a piece of what is too old or too much, and then gives back to the
// disk what a lowered quota no longer needs. It says whether there may be more.
// It is for the writer.
func (h *Shelf) Sweep(ctx context.Context) bool {
	c, err := h.commit(ctx, load{})
	more := c.evicted > 0
	if err == nil && !more {
		more, err = h.file.Shrink(ctx)
	}
	if err != nil {
		h.file.NoteWrite(fmt.Errorf("upkeep: %w", err))
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
func (h *Shelf) commit(ctx context.Context, l load) (change, error) {
	c := change{held: h.file.Rows()}
	err := h.file.InTx(ctx, func(tx *sql.Tx) error {
		if err := h.clear(ctx, tx, &c, l.pages()); err != nil {
			return err
		}
		if err := h.write(ctx, tx, &c, l); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return c.measure(ctx, tx)
	})
	if err == nil {
		h.file.NoteChange(c.rows, c.evicted, c.pages)
	}
	return c, err
}

func (h *Shelf) clear(ctx context.Context, tx *sql.Tx, c *change, need int64) error {
	oldest, latest := h.now().Add(-time.Duration(h.keep.Load())).UnixMilli(), int64(math.MaxInt64)
	if h.ahead > 0 {
		latest = h.now().Add(h.ahead).UnixMilli()
	}
	if err := c.remove(ctx, tx, h.sql.expire, oldest, latest, expirePiece); err != nil {
		return fmt.Errorf("expire: %w", err)
	}
	limit := h.file.MaxPages()
	if !h.reserve.Lean() && h.file.Pages()+need <= limit {
		return nil
	}
	if err := c.measure(ctx, tx); err != nil {
		return err
	}
	if h.reserve.Lean() {
		limit = min(limit, c.pages+c.free)
		need -= slackPages - slackIn(limit)
	}
	// A file far above its limit is brought down over several transactions.
	return c.evict(ctx, tx, h.sql.evict, max(limit-need, c.pages-2*need))
}

// slackIn is the slack that a file of so many pages needs: in a small one few
// indexes have inner pages. Where it is too little, there is makeRoom.
func slackIn(pages int64) int64 { return min(slackPages, max(1, pages/16)) }

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
	n, err := file.Affected(tx.ExecContext(ctx, query, args...))
	c.rows -= n
	c.evicted += n
	return err
}

func (c *change) measure(ctx context.Context, tx *sql.Tx) error {
	var all int64
	if err := tx.QueryRowContext(ctx, file.CountPages).Scan(&all, &c.free); err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	c.pages = all - c.free
	return nil
}

func (h *Shelf) count(ctx context.Context) error {
	var c change
	err := h.file.InTx(ctx, func(tx *sql.Tx) error {
		return errors.Join(tx.QueryRowContext(ctx, h.sql.count).Scan(&c.rows), c.measure(ctx, tx))
	})
	h.file.NoteChange(c.rows, c.evicted, c.pages)
	if err != nil {
		return fmt.Errorf("count %s: %w", h.file.Name, err)
	}
	return nil
}
