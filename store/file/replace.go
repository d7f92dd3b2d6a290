package file

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

// ErrDamaged says that what is in a file cannot be right.
var ErrDamaged = errors.New("file is damaged")

// Open opens the file. One that is damaged, foreign or from a newer
// version is moved aside and an empty one takes its place, see
// [File.Predecessor]. Any other failure is returned: the file may be good.
func Open(ctx context.Context, f Spec) (*File, error) {
	opened, err := f.open(ctx)
	if err == nil || !beyondUse(err) {
		return opened, err
	}
	aside, moveErr := f.moveAside()
	if moveErr != nil {
		return nil, errors.Join(err, moveErr)
	}
	f.Log.Warn("store file moved aside", "file", f.Name, "to", filepath.Base(aside), "error", err)
	if opened, err = f.open(ctx); err != nil {
		return nil, fmt.Errorf("start anew: %w", err)
	}
	opened.aside = filepath.Base(aside)
	return opened, nil
}

// beyondUse tells damage from trouble around the file, such as permissions.
func beyondUse(err error) bool {
	if errors.Is(err, ErrDamaged) || errors.Is(err, errNewer) {
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
		return fmt.Errorf("%w: %s", ErrDamaged, verdict)
	}
	return nil
}

// moveAside renames the file and its companions and returns the new name. Room is
// made first, so that a clock that went back cannot make it forget this one.
func (f Spec) moveAside() (string, error) {
	if err := f.forgetAside(keptAside - 1); err != nil {
		return "", fmt.Errorf("remove older damaged file: %w", err)
	}
	aside := f.Path + ".corrupt-" + f.Now().UTC().Format("20060102T150405.000Z")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Rename(f.Path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("move damaged file aside: %w", err)
		}
	}
	return aside, nil
}

// forgetAside removes all but the latest few files that were moved aside.
func (f Spec) forgetAside(keep int) error {
	dir := filepath.Dir(f.Path)
	names, err := os.ReadDir(dir) // sorted, so the oldest comes first
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n fs.DirEntry) bool {
		return !strings.HasPrefix(n.Name(), f.Name+".db.corrupt-") || !strings.HasSuffix(n.Name(), "Z")
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
