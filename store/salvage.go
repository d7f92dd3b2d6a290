package store

import (
	"context"
	"database/sql"
	"errors"
)

// salvage copies into the queue the facts, labels and notes that can be read from the file that
// was moved aside; of each it stops at the first that cannot. They are only ever
// missed, not made up, so a failure is logged and the daemon goes on.
func (s *Store) salvage(ctx context.Context) {
	old := s.queue.Predecessor()
	if old == nil {
		return
	}
	defer old.Close()
	facts, readErr := readFacts(ctx, old)
	err := s.queue.InTx(ctx, func(tx *sql.Tx) error {
		for name, value := range facts {
			if _, err := tx.ExecContext(ctx, sqlSetFact, name, value); err != nil {
				return err
			}
		}
		return nil
	})
	labels, labelErr := s.salvageLabels(ctx, old)
	notes, noteErr := s.salvageNotes(ctx, old)
	s.queue.Log.Warn("facts carried over from a damaged file", "facts", len(facts), "labels", labels, "notes", notes, "error", errors.Join(readErr, err, labelErr, noteErr))
}

// readFacts returns what could be read even when it fails.
func readFacts(ctx context.Context, db *sql.DB) (map[string]string, error) {
	facts := map[string]string{}
	rows, err := db.QueryContext(ctx, "SELECT name, value FROM facts")
	if err != nil {
		return facts, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return facts, err
		}
		facts[name] = value
	}
	return facts, rows.Err()
}
