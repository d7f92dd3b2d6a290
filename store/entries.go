package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const maxListed = 1000

// Put queues an answer for the cache under key, made at the time given; it takes
// the place of an older one. It never blocks: a full queue drops the answer, as
// does one of more than 1 MiB or a sixteenth of the cache, and Stats counts it.
// From now on Get finds it. The store keeps value: do not change it any more.
func (s *Store) Put(key string, value []byte, at time.Time) {
	s.answers.put(&entry{key: key, value: filled(value), at: at.UnixMilli()})
}

// Get looks an answer up and says when it was made; whether it is still good is
// for the caller to judge. The value must not be changed.
func (s *Store) Get(ctx context.Context, key string) (value []byte, at time.Time, ok bool, err error) {
	e, ok, err := s.answers.get(ctx, key)
	if err != nil || !ok {
		return nil, time.Time{}, false, wrap("look up answer", err)
	}
	return e.bytes(), time.UnixMilli(e.at), true, nil
}

// Record queues a decision record for the history, on the terms of Put. What
// record appends is asked for when it is written or read, on other goroutines but
// on one at a time. A second record with the same id takes the place of the first.
func (s *Store) Record(id string, at time.Time, record func([]byte) []byte) {
	s.history.put(&entry{key: id, late: true, encode: record, at: at.UnixMilli()})
}

// Decision returns one record, which must not be changed.
func (s *Store) Decision(ctx context.Context, id string) ([]byte, bool, error) {
	e, ok, err := s.history.get(ctx, id)
	if err != nil || !ok {
		return nil, false, wrap("look up decision", err)
	}
	return e.bytes(), true, nil
}

// Decisions lists at most limit (1 to 1000) records, the last recorded first,
// starting after the one with the id before, or with the newest if that is empty.
// Where before is not known, or not any more, there is nothing after it.
func (s *Store) Decisions(ctx context.Context, limit int, before string) ([][]byte, error) {
	list, err := s.history.list(ctx, min(max(limit, 1), maxListed), before)
	return list, wrap("list decisions", err)
}

// list goes through the backlog and then the table. An entry may be committed in
// between and so be met twice, but never missed.
func (h *shelf) list(ctx context.Context, limit int, before string) ([][]byte, error) {
	p := page{limit: limit, skip: before, seen: map[string]bool{}}
	for _, e := range h.backlog.newest() {
		p.add(e.key, e.bytes())
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	query, args := h.sql.newest, []any{limit + len(p.seen)}
	if p.skip != "" { // not in the backlog, so all of that is newer
		query, args = h.sql.older, []any{before, limit}
	}
	rows, err := h.file.readers.QueryContext(ctx, query, args...)
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

func (p *page) add(key string, value []byte) {
	again := p.seen[key]
	p.seen[key] = true
	switch {
	case p.skip == key:
		p.skip = ""
	case p.skip == "" && !again && len(p.list) < p.limit:
		p.list = append(p.list, value)
	}
}

func (p *page) addRows(rows *sql.Rows) error {
	for rows.Next() {
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
		p.add(key, value)
	}
	return nil
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
