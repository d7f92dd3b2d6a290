package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"nearside/store/file"
)

// Bounds of what waits to be told; a quota may ask for fewer bytes.
const (
	maxNotes     = 4096
	maxNoteBytes = 4 << 20  // of all
	maxNote      = 68 << 10 // of one
	trimPiece    = 16       // notes dropped at a time
)

// Note is something to be told. Nobody here reads what is in it.
type Note struct {
	ID     int64 // given by Add
	Topic  string
	Body   []byte
	Retain bool
	Key    string // a later note of this key takes its place; "" is none
}

const (
	noteColumns = "topic, body, retain, key"
	sqlPutNote  = "INSERT INTO outbox (" + noteColumns + ") VALUES (?, ?, ?, nullif(?, ''))"
	sqlDropNote = "DELETE FROM outbox WHERE key = ?"
	sqlDoneNote = "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))"
	sqlNotes    = "SELECT id, topic, body, retain, coalesce(key, '') FROM outbox ORDER BY id LIMIT ?"
	sqlNoteSize = "SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox"
	// Events go before the latest values, the oldest first; never the newest of all.
	sqlTrimNotes = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id < (SELECT max(id) FROM outbox) ORDER BY key IS NOT NULL, id LIMIT ?)"
	sqlLoseNotes = "INSERT INTO facts (name, value) VALUES ('" + lostNotes + "', ?) ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + excluded.value AS TEXT)"
	sqlLostNotes = "SELECT coalesce(sum(CAST(value AS INTEGER)), 0) FROM facts WHERE name = '" + lostNotes + "'"

	lostNotes = "outbox.dropped" // the fact that counts them
)

// outbox is what is known of the notes without asking the disk.
type outbox struct{ depth, dropped atomic.Int64 }

// Add keeps a note of at most 68 KiB until it is Done. Once it has returned
// without an error the note outlasts a crash and, where the disk honours a sync,
// a power cut. It takes the place of one of the same key. Old decisions make way
// for it; where there are too many notes the oldest that have no key are
// dropped, and counted.
func (s *Store) Add(ctx context.Context, n Note) error {
	if size := len(n.Topic) + len(n.Key) + len(n.Body); size > maxNote {
		return fmt.Errorf("add note: %d bytes, at most %d", size, maxNote)
	}
	err := s.history.WithRoom(ctx, int64(len(n.Body)), func() error { return s.addNote(ctx, n) })
	if ctx.Err() == nil {
		s.queue.NoteWrite(err)
	}
	return wrap("add note", err)
}

func (s *Store) addNote(ctx context.Context, n Note) error {
	var depth, dropped int64
	if n.Body == nil {
		n.Body = []byte{} // nil would be NULL
	}
	err := s.queue.InTx(ctx, func(tx *sql.Tx) (err error) {
		if _, err := tx.ExecContext(ctx, sqlDropNote, n.Key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, sqlPutNote, n.Topic, n.Body, n.Retain, n.Key); err != nil {
			return err
		}
		depth, dropped, err = s.trimNotes(ctx, tx)
		return err
	})
	if err == nil {
		s.notes.depth.Store(depth)
		s.notes.dropped.Add(dropped)
	}
	return err
}

// trimNotes drops notes until what is left is in bounds.
func (s *Store) trimNotes(ctx context.Context, tx *sql.Tx) (depth, dropped int64, err error) {
	for limit := min(maxNoteBytes, s.queue.Quota/8); ; {
		var bytes int64
		if err := tx.QueryRowContext(ctx, sqlNoteSize).Scan(&depth, &bytes); err != nil {
			return 0, 0, err
		}
		if depth <= 1 || depth <= maxNotes && bytes <= limit {
			break
		}
		n, err := file.Affected(tx.ExecContext(ctx, sqlTrimNotes, trimPiece))
		if err != nil {
			return 0, 0, err
		}
		dropped += n
	}
	if dropped > 0 {
		_, err = tx.ExecContext(ctx, sqlLoseNotes, fmt.Sprint(dropped))
	}
	return depth, dropped, err
}

// Pending lists at most limit notes, the oldest first.
func (s *Store) Pending(ctx context.Context, limit int) ([]Note, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := readNotes(ctx, s.queue.Readers, limit)
	return list, wrap("list notes", err)
}

// readNotes returns what could be read even when it fails.
func readNotes(ctx context.Context, db *sql.DB, limit int) (list []Note, err error) {
	rows, err := db.QueryContext(ctx, sqlNotes, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n Note
		if err := rows.Scan(&n.ID, &n.Topic, &n.Body, &n.Retain, &n.Key); err != nil {
			return list, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// Done forgets notes that were told. One that is not there any more is no
// error.
func (s *Store) Done(ctx context.Context, ids ...int64) error {
	text, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("forget notes: %w", err)
	}
	var depth, bytes int64
	err = s.history.WithRoom(ctx, 0, func() error {
		return s.queue.InTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, sqlDoneNote, string(text))
			return errors.Join(err, tx.QueryRowContext(ctx, sqlNoteSize).Scan(&depth, &bytes))
		})
	})
	if err == nil {
		s.notes.depth.Store(depth)
	}
	return wrap("forget notes", err)
}

// Depth is how many notes wait; it never waits for the disk.
func (s *Store) Depth() int64 { return s.notes.depth.Load() }

// Dropped is how many notes were given up for want of room since the state
// folder was made; it never waits for the disk.
func (s *Store) Dropped() int64 { return s.notes.dropped.Load() }

// countNotes learns what Depth and Dropped say.
func (s *Store) countNotes(ctx context.Context) error {
	var depth, bytes, dropped int64
	err := errors.Join(
		s.queue.Writer.QueryRowContext(ctx, sqlNoteSize).Scan(&depth, &bytes),
		s.queue.Writer.QueryRowContext(ctx, sqlLostNotes).Scan(&dropped))
	s.notes.depth.Store(depth)
	s.notes.dropped.Store(dropped)
	return wrap("count notes", err)
}

// salvageNotes copies into the queue the notes that can be read from the file that was
// moved aside, on the terms of salvage. One of an older version has none.
func (s *Store) salvageNotes(ctx context.Context, old *sql.DB) (int, error) {
	list, readErr := readNotes(ctx, old, maxNotes)
	err := s.queue.InTx(ctx, func(tx *sql.Tx) error {
		for _, n := range list {
			if _, err := tx.ExecContext(ctx, sqlPutNote, n.Topic, n.Body, n.Retain, n.Key); err != nil {
				return err
			}
		}
		return nil
	})
	return len(list), errors.Join(readErr, err)
}
