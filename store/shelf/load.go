package shelf

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"syscall"

	"nearside/store/file"
)

// load is a batch made ready to be written: what of it is to be kept and, for a
// shelf with packs, a pack of each insertPiece of that. Without packs there is no
// order to be kept either, and keys in theirs share pages of the index.
type load struct {
	entries  []*entry
	packs    [][]byte
	tooLarge int // that are left out
}

// load takes it that the keys of a shelf with packs were never there before, as
// ids are; otherwise the write fails, and loadAgain is for it.
func (h *Shelf) load(batch []*entry) load {
	if h.packer != nil {
		return h.pack(batch)
	}
	l := load{entries: latest(batch)}
	slices.SortFunc(l.entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	return l
}

// loadAgain is for a batch with a key that is there already.
func (h *Shelf) loadAgain(batch []*entry) load {
	for _, e := range batch {
		e.again = true
	}
	return h.load(latest(batch))
}

// pack leaves out entries that turn out too large once they are made.
func (h *Shelf) pack(batch []*entry) load {
	l := load{entries: make([]*entry, 0, len(batch))}
	for i, e := range batch {
		if i%giveWayEach == 0 {
			h.giveWay()
		}
		if !h.packer.add(e, h.mostBytes()-int64(len(e.key))) {
			l.tooLarge++
			continue
		}
		l.entries = append(l.entries, e)
		if len(l.entries)%insertPiece == 0 {
			l.packs = append(l.packs, h.packer.pack())
		}
	}
	if len(l.entries)%insertPiece != 0 {
		l.packs = append(l.packs, h.packer.pack())
	}
	return l
}

// giveWayEach is how many records are made between two looks whether others wait.
const giveWayEach = 4

// giveWay lets the kernel run first whatever else waits for this processor, which
// it would leave to the writer for some milliseconds, as long as ten calls take.
// That costs the writer a millisecond at most, where others would have all of the
// processor; so it is not done when the writer is behind.
func (h *Shelf) giveWay() {
	if h.backlog.len() <= early {
		syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

// rowBytes is what a row and its two entries in indexes take beside the value and
// the key in each: indexes are filled to two thirds.
const rowBytes = 96

// pages is about how many it needs; a guess too low ends in makeRoom.
func (l load) pages() int64 {
	bytes := 0
	add := func(value []byte) {
		bytes += len(value) + len(value)/8 // rows do not fill their pages
		if len(value) > file.PageSize/4 {
			bytes += file.PageSize / 2 // the last overflow page is half empty
		}
	}
	for _, e := range l.entries {
		bytes += 2*len(e.key) + rowBytes
		if l.packs == nil {
			add(e.bytes())
		}
	}
	for _, pack := range l.packs {
		add(pack)
	}
	return pagesFor(int64(bytes))
}

// pagesFor is how many pages so many bytes take, those of indexes too.
func pagesFor(bytes int64) int64 { return bytes/file.PageSize + slackPages }

// latest is a batch without the entries that a later one replaces.
func latest(batch []*entry) []*entry {
	last := make(map[string]*entry, len(batch))
	for _, e := range batch {
		last[e.key] = e
	}
	return slices.DeleteFunc(slices.Clone(batch), func(e *entry) bool { return last[e.key] != e })
}

// write replaces the rows of these keys, so that they count as the newest again.
func (h *Shelf) write(ctx context.Context, tx *sql.Tx, c *change, l load) error {
	gone, err := h.remove(ctx, tx, l.entries)
	if err != nil {
		return err
	}
	insert := h.insertPlain
	if h.packer != nil {
		insert = h.insertPacked
	}
	if err := insert(ctx, tx, l); err != nil {
		return err
	}
	c.rows += int64(len(l.entries)) - gone
	return nil
}

func (h *Shelf) insertPlain(ctx context.Context, tx *sql.Tx, l load) error {
	args := make([]any, 0, 3*insertPiece)
	for some := range slices.Chunk(l.entries, insertPiece) {
		h.giveWay()
		args = args[:0]
		for _, e := range some {
			args = append(args, e.key, e.at, e.bytes())
		}
		if err := h.insert(ctx, tx, args, 3); err != nil {
			return err
		}
	}
	return nil
}

// insertPacked writes each pack and rows that say where it is.
func (h *Shelf) insertPacked(ctx context.Context, tx *sql.Tx, l load) error {
	if len(l.entries) == 0 {
		return nil
	}
	var seq int64
	if err := tx.QueryRowContext(ctx, h.sql.nextSeq).Scan(&seq); err != nil {
		return err
	}
	args, packs := make([]any, 0, 4*insertPiece), l.packs
	for some := range slices.Chunk(l.entries, insertPiece) {
		h.giveWay()
		if _, err := tx.ExecContext(ctx, h.sql.insertPack, seq, packs[0]); err != nil {
			return err
		}
		args, packs = args[:0], packs[1:]
		for i, e := range some {
			args = append(args, e.key, e.at, seq+int64(i), seq)
		}
		if err := h.insert(ctx, tx, args, 4); err != nil {
			return err
		}
		seq += int64(len(some))
	}
	return nil
}

// insert writes rows of so many columns by one statement, where there are as
// many rows as it takes.
func (h *Shelf) insert(ctx context.Context, tx *sql.Tx, args []any, columns int) error {
	if len(args) == columns*insertPiece {
		_, err := tx.ExecContext(ctx, h.sql.insertMany, args...)
		return err
	}
	for row := range slices.Chunk(args, columns) {
		if _, err := tx.ExecContext(ctx, h.sql.insert, row...); err != nil {
			return err
		}
	}
	return nil
}

// remove takes out the rows of those keys that may be there.
func (h *Shelf) remove(ctx context.Context, tx *sql.Tx, batch []*entry) (gone int64, err error) {
	var keys []string
	for _, e := range batch {
		if e.again {
			keys = append(keys, e.key)
		}
	}
	if len(keys) == 0 {
		return 0, nil
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return 0, err
	}
	return file.Affected(tx.ExecContext(ctx, h.sql.remove, string(text)))
}
