package file

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
)

var errNewer = errors.New("file was written by a newer version")

// migrate applies, each in a transaction of its own, the scripts of the file
// that it has not seen: script n leads to user_version n.
// There is no way back.
func migrate(ctx context.Context, f *File) error {
	scripts, err := fs.Glob(f.Scripts, "migrations/"+f.Name+"/*.sql")
	if err != nil {
		return fmt.Errorf("list scripts: %w", err)
	}
	var version int
	if err := f.Writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if version < 0 || version > len(scripts) {
		return fmt.Errorf("%w: schema %d, known up to %d", errNewer, version, len(scripts))
	}
	for i, script := range scripts[version:] {
		if err := f.apply(ctx, script, version+i+1); err != nil {
			return fmt.Errorf("apply %s: %w", script, err)
		}
	}
	return nil
}

func (f *File) apply(ctx context.Context, script string, version int) error {
	text, err := fs.ReadFile(f.Scripts, script)
	if err != nil {
		return err
	}
	return f.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s\n;PRAGMA user_version=%d", text, version))
		return err
	})
}

// InTx runs do in one transaction that is committed only if do succeeds.
func (f *File) InTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := f.Writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // does nothing once committed
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Affected is how many rows a statement changed.
func Affected(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
