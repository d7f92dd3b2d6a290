package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"
)

const keptAside = 2 // damaged files of one name kept for a look

var errDamaged = errors.New("file is damaged")

// openOrReplace opens the file. One that is damaged, foreign or from a newer
// version is moved aside and an empty one takes its place, with the facts that
// could still be read. Any other failure is returned: the file may be good.
func (f fileSpec) openOrReplace(ctx context.Context) (*file, error) {
	opened, err := f.open(ctx)
	if err == nil || !beyondUse(err) {
		return opened, err
	}
	aside, moveErr := f.moveAside()
	if moveErr != nil {
		return nil, errors.Join(err, moveErr)
	}
	f.log.Warn("store file moved aside", "file", f.name, "to", filepath.Base(aside), "error", err)
	if opened, err = f.open(ctx); err != nil {
		return nil, fmt.Errorf("start anew: %w", err)
	}
	opened.aside = filepath.Base(aside)
	return opened, nil
}

// beyondUse tells damage from trouble around the file, such as permissions.
func beyondUse(err error) bool {
	if errors.Is(err, errDamaged) || errors.Is(err, errNewer) {
		return true
	}
	var e sqlite3.Error
	damage := []sqlite3.ErrNo{sqlite3.ErrError, sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat, sqlite3.ErrSchema}
	return errors.As(err, &e) && slices.Contains(damage, e.Code)
}

func quickCheck(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	return nil
}

// moveAside renames the file and its companions and returns the new name. Room is
// made first, so that a clock that went back cannot make it forget this one.
func (f fileSpec) moveAside() (string, error) {
	if err := f.forgetAside(keptAside - 1); err != nil {
		return "", fmt.Errorf("remove older damaged file: %w", err)
	}
	aside := f.path + ".corrupt-" + f.now().UTC().Format("20060102T150405.000Z")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Rename(f.path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("move damaged file aside: %w", err)
		}
	}
	return aside, nil
}

// forgetAside removes all but the latest few files that were moved aside.
func (f fileSpec) forgetAside(keep int) error {
	dir := filepath.Dir(f.path)
	names, err := os.ReadDir(dir) // sorted, so the oldest comes first
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n fs.DirEntry) bool {
		return !strings.HasPrefix(n.Name(), f.name+".db.corrupt-") || !strings.HasSuffix(n.Name(), "Z")
	})
	for _, old := range names[:max(0, len(names)-keep)] {
		path := filepath.Join(dir, old.Name())
		os.Remove(path + "-wal") // most have neither
		os.Remove(path + "-shm")
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// salvage copies into f the facts, labels and notes that can be read from the file that
// was moved aside; of each it stops at the first that cannot. They are only ever
// missed, not made up, so a failure is logged and the daemon goes on.
func (f *file) salvage(ctx context.Context) {
	if f.aside == "" {
		return
	}
	old := openReaders(filepath.Join(filepath.Dir(f.path), f.aside))
	defer old.Close()
	facts, readErr := readFacts(ctx, old)
	err := inTx(ctx, f.writer, func(tx *sql.Tx) error {
		for name, value := range facts {
			if _, err := tx.ExecContext(ctx, sqlSetFact, name, value); err != nil {
				return err
			}
		}
		return nil
	})
	labels, labelErr := f.salvageLabels(ctx, old)
	notes, noteErr := f.salvageNotes(ctx, old)
	f.log.Warn("facts carried over from a damaged file", "facts", len(facts), "labels", labels, "notes", notes, "error", errors.Join(readErr, err, labelErr, noteErr))
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
