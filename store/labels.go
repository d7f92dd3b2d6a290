package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Bounds of what is kept of labels; a quota may ask for fewer.
const (
	maxLabels  = 10_000
	labelKeep  = 180 * 24 * time.Hour
	labelBytes = 512 // that one takes, indexes too

	maxSketches = 2000 // newest labels that may have one
	sketchBytes = 1024 // that one takes, mostly less
)

// Label is what was found out about one answer. No text is kept of question or
// answer.
type Label struct {
	Decision   string
	Source     string    // who found it out; with Decision it is the key
	At         time.Time // of the decision
	Target     string
	Model      string // identity of the model that answered, "" when it is not known
	Task       string
	Score      *float64 // how sure the model seemed, nil when it is not known
	Good       float64  // 0 to 1
	Propensity float64  // chance that it would be found out
	Weight     float64  // how far the source is to be trusted, 0 to 1
	Sketch     []byte   // hashes of the question's words, at most 8 KiB; nil is none
}

const (
	labelColumns = "decision, source, at, target, model, task, score, good, propensity, weight"
	sqlPutLabel  = "INSERT INTO labels (" + labelColumns + ", sketch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) " +
		"ON CONFLICT (decision, source) DO UPDATE SET at = excluded.at, target = excluded.target, model = excluded.model, " +
		"task = excluded.task, score = excluded.score, good = excluded.good, propensity = excluded.propensity, weight = excluded.weight, " +
		"sketch = coalesce(excluded.sketch, sketch)"
	sqlHasLabel     = "SELECT count(*) FROM labels WHERE decision = ? AND source = ?"
	sqlTrimLabels   = "DELETE FROM labels WHERE at < ? OR seq <= (SELECT max(seq) FROM labels) - ?"
	sqlTrimSketches = "UPDATE labels SET sketch = NULL WHERE sketch IS NOT NULL AND seq <= (SELECT max(seq) FROM labels) - ?"
	sqlHasSketches  = "SELECT count(*) FROM pragma_table_info('labels') WHERE name = 'sketch'"
)

// PutLabels keeps labels, each in the place of one of the same decision and
// source, and says how many there were. Once it has returned without an error
// they outlast a crash and, where the disk honours a sync, a power cut. Labels
// of old decisions and the first of very many make way, as do old decisions
// when the file is full.
func (s *Store) PutLabels(ctx context.Context, labels []Label) (replaced int, err error) {
	err = s.history.WithRoom(ctx, roomFor(labels), func() error {
		replaced, err = s.putLabels(ctx, labels)
		return err
	})
	if ctx.Err() == nil {
		s.queue.NoteWrite(err)
	}
	return replaced, wrap("put labels", err)
}

// roomFor is how many bytes labels take.
func roomFor(labels []Label) int64 {
	n := int64(len(labels)) * labelBytes
	for i := range labels {
		n += int64(len(labels[i].Sketch))
	}
	return n
}

func (s *Store) putLabels(ctx context.Context, labels []Label) (replaced int, err error) {
	err = s.queue.InTx(ctx, func(tx *sql.Tx) error {
		for i := range labels {
			var before int
			if err := tx.QueryRowContext(ctx, sqlHasLabel, labels[i].Decision, labels[i].Source).Scan(&before); err != nil {
				return err
			}
			replaced += before
			if err := labels[i].put(ctx, tx); err != nil {
				return err
			}
		}
		oldest := s.now().Add(-labelKeep).UnixMilli()
		if _, err := tx.ExecContext(ctx, sqlTrimLabels, oldest, min(maxLabels, s.queue.Quota/8/labelBytes)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, sqlTrimSketches, min(maxSketches, s.queue.Quota/32/sketchBytes))
		return err
	})
	return replaced, err
}

func (l *Label) put(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, sqlPutLabel, l.Decision, l.Source, l.At.UnixMilli(), l.Target, l.Model, l.Task, l.Score, l.Good, l.Propensity, l.Weight, l.Sketch)
	return err
}

// Labels lists at most limit labels of answers of a model, the last found
// first.
func (s *Store) Labels(ctx context.Context, model string, limit int) ([]Label, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	list, err := readLabels(ctx, s.queue.Readers, "sketch", "WHERE model = ? ORDER BY seq DESC LIMIT ? + 0", model, limit)
	return list, wrap("list labels", err)
}

// readLabels returns what could be read even when it fails. sketch is its
// column, or what is there in its place.
func readLabels(ctx context.Context, db *sql.DB, sketch, which string, args ...any) (list []Label, err error) {
	rows, err := db.QueryContext(ctx, "SELECT "+labelColumns+", "+sketch+" FROM labels "+which, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Label
		var at int64
		if err := rows.Scan(&l.Decision, &l.Source, &at, &l.Target, &l.Model, &l.Task, &l.Score, &l.Good, &l.Propensity, &l.Weight, &l.Sketch); err != nil {
			return list, err
		}
		l.At = time.UnixMilli(at)
		list = append(list, l)
	}
	return list, rows.Err()
}

// CountLabels is how many labels there are of each source, of all targets.
func (s *Store) CountLabels(ctx context.Context) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.queue.Readers.QueryContext(ctx, "SELECT source, count(*) FROM labels GROUP BY source")
	if err != nil {
		return nil, fmt.Errorf("count labels: %w", err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var source string
		var n int64
		if err := rows.Scan(&source, &n); err != nil {
			return nil, fmt.Errorf("count labels: %w", err)
		}
		counts[source] = n
	}
	return counts, wrap("count labels", rows.Err())
}

// salvageLabels copies into the queue the labels that can be read from the file that
// was moved aside, on the terms of salvage. An older version may have
// left it.
func (s *Store) salvageLabels(ctx context.Context, old *sql.DB) (int, error) {
	sketch, has := "NULL", 0
	if err := old.QueryRowContext(ctx, sqlHasSketches).Scan(&has); err == nil && has > 0 {
		sketch = "sketch"
	}
	list, readErr := readLabels(ctx, old, sketch, "")
	err := s.queue.InTx(ctx, func(tx *sql.Tx) error {
		for i := range list {
			if err := list[i].put(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	return len(list), errors.Join(readErr, err)
}
