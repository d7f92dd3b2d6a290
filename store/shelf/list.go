package shelf

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// mostTime is how long a list may take: a reader that stays open lets the WAL
// grow.
const mostTime = 5 * time.Second

// List returns at most so many values, the last that was put first, starting after
// the one of the key before, or with the newest if that is empty. Where before is
// not known, or not any more, there is nothing after it.
//
// It goes through the backlog and then the table. An entry may be committed in
// between and so be met twice, but never missed.
func (h *Shelf) List(ctx context.Context, limit int, before string) ([][]byte, error) {
	p := page{limit: limit, skip: before, seen: map[string]bool{}}
	for _, e := range h.backlog.newest() {
		if p.wants(e.key) {
			p.list = append(p.list, e.bytes())
		}
	}
	if p.full() {
		return p.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	most := limit + len(p.seen) // rows of what waits are met again, those that it replaces as well
	query, args := h.sql.newest, []any{most}
	if p.skip != "" { // not in the backlog, so all of that is newer
		query, args = h.sql.older, []any{before, most}
	}
	rows, err := h.file.Readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	p.skip = ""
	return p.list, errors.Join(p.addRows(rows), rows.Err())
}

// page collects values of keys not seen yet, once past the key to skip to.
type page struct {
	limit int
	skip  string
	seen  map[string]bool
	list  [][]byte
	packs unpacker
}

func (p *page) full() bool { return len(p.list) >= p.limit }

// wants tells whether the value of the next key is to be on the page.
func (p *page) wants(key string) bool {
	again := p.seen[key]
	p.seen[key] = true
	if p.skip == key {
		p.skip = ""
		return false
	}
	return p.skip == "" && !again && !p.full()
}

func (p *page) addRows(rows *sql.Rows) error {
	for !p.full() && rows.Next() {
		var key string
		var value []byte
		var packed sql.RawBytes // of the first row of a pack, until the next row
		var pack sql.NullInt64
		var place int
		err := rows.Scan(&key, &value, &pack, &packed, &place)
		if pack.Valid && err == nil {
			value, err = p.packs.value(pack.Int64, packed, place)
		}
		if errors.Is(err, errNoPack) {
			continue
		}
		if err != nil {
			return err
		}
		if p.wants(key) {
			p.list = append(p.list, value)
		}
	}
	return nil
}
