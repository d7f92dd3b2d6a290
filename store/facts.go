package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const sqlSetFact = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

// Fact returns the value last set under this name.
func (s *Store) Fact(ctx context.Context, name string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var value string
	err := s.queue.Readers.QueryRowContext(ctx, "SELECT value FROM facts WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, wrap("read fact", err)
}

// SetFact keeps a value of at most 1 MiB under this name. Once it has returned
// without an error the value outlasts a crash and, where the disk honours a sync, a
// power cut. Old decisions make way for it when the file is full.
func (s *Store) SetFact(ctx context.Context, name, value string) error {
	if len(name)+len(value) > maxFactBytes {
		return fmt.Errorf("set fact %s: more than %d bytes", name, maxFactBytes)
	}
	err := s.history.WithRoom(ctx, int64(len(value)), func() error {
		return s.setFact(ctx, name, value)
	})
	if ctx.Err() == nil {
		s.queue.NoteWrite(err)
	}
	return wrap("set fact "+name, err)
}

func (s *Store) setFact(ctx context.Context, name, value string) error {
	return s.queue.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlSetFact, name, value)
		return err
	})
}
