package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed migrations
var migrations embed.FS

var errNewer = errors.New("file was written by a newer version")

// migrate applies, each in a transaction of its own, the scripts of
// migrations/NAME that the file has not seen: script n leads to user_version n.
// There is no way back.
func migrate(ctx context.Context, db *sql.DB, name string) error {
	scripts, err := fs.Glob(migrations, "migrations/"+name+"/*.sql")
	if err != nil {
		return fmt.Errorf("list scripts: %w", err)
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if version < 0 || version > len(scripts) {
		return fmt.Errorf("%w: schema %d, known up to %d", errNewer, version, len(scripts))
	}
	for i, script := range scripts[version:] {
		if err := apply(ctx, db, script, version+i+1); err != nil {
			return fmt.Errorf("apply %s: %w", script, err)
		}
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, script string, version int) error {
	text, err := migrations.ReadFile(script)
	if err != nil {
		return err
	}
	return inTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf("%s\n;PRAGMA user_version=%d", text, version))
		return err
	})
}

// inTx runs do in one transaction that is committed only if do succeeds.
func inTx(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
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
