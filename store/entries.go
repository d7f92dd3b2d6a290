package store

import (
	"context"
	"fmt"
	"time"
)

const maxListed = 1000

// Put queues an answer for the cache under key, made at the time given; it takes
// the place of an older one. It never blocks: a full queue drops the answer, as
// does one of more than 1 MiB or a sixteenth of the cache, and Stats counts it.
// From now on Get finds it. The store keeps value: do not change it any more.
func (s *Store) Put(key string, value []byte, at time.Time) {
	s.answers.Put(key, value, at.UnixMilli())
}

// Get looks an answer up and says when it was made; whether it is still good is
// for the caller to judge. The value must not be changed.
func (s *Store) Get(ctx context.Context, key string) (value []byte, at time.Time, ok bool, err error) {
	value, ms, ok, err := s.answers.Get(ctx, key)
	if err != nil || !ok {
		return nil, time.Time{}, false, wrap("look up answer", err)
	}
	return value, time.UnixMilli(ms), true, nil
}

// Record queues a decision record for the history, on the terms of Put. What
// record appends is asked for when it is written or read, on other goroutines but
// on one at a time. A second record with the same id takes the place of the first.
func (s *Store) Record(id string, at time.Time, record func([]byte) []byte) {
	s.history.PutLate(id, at.UnixMilli(), record)
}

// Decision returns one record, which must not be changed.
func (s *Store) Decision(ctx context.Context, id string) ([]byte, bool, error) {
	record, _, ok, err := s.history.Get(ctx, id)
	if err != nil || !ok {
		return nil, false, wrap("look up decision", err)
	}
	return record, true, nil
}

// Decisions lists at most limit (1 to 1000) records, the last recorded first,
// starting after the one with the id before, or with the newest if that is empty.
// Where before is not known, or not any more, there is nothing after it.
func (s *Store) Decisions(ctx context.Context, limit int, before string) ([][]byte, error) {
	list, err := s.history.List(ctx, min(max(limit, 1), maxListed), before)
	return list, wrap("list decisions", err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
