package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
)

const (
	pageSize    = 4096
	shrinkPiece = 256       // pages given back at a time
	leastSQLite = 3_051_003 // older ones can lose a write when the WAL starts anew
	// database/sql keeps a connection to one goroutine at a time: it needs no mutex.
	writerOptions = "_auto_vacuum=incremental&_busy_timeout=5000&_cache_size=-512&_foreign_keys=on" +
		"&_journal_mode=WAL&_mutex=no&_secure_delete=on&_stmt_cache_size=16&_txlock=immediate"
	readerOptions = "_busy_timeout=5000&_cache_size=-256&_mutex=no&_query_only=on&_stmt_cache_size=8&mode=ro"
)

// fileSpec says which file to open and how. Without a path it is in memory.
type fileSpec struct {
	name  string // also the folder of its migrations
	path  string
	sync  string // PRAGMA synchronous
	quota int64
	log   *slog.Logger
	now   func() time.Time
}

// file is one open database: one connection that writes, two that only read (in
// memory there is just the one), and what is known about its health.
type file struct {
	fileSpec
	writer  *sql.DB
	readers *sql.DB
	aside   string // where a damaged predecessor was moved when this one was opened

	mu     sync.Mutex // guards health
	health health
}

// connector opens connections with the options that the driver takes from the
// connection string and, since it does not know all, a hook for the others.
type connector struct {
	dsn    string
	driver sqlite3.SQLiteDriver
}

func (c *connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c *connector) Driver() driver.Driver                        { return &c.driver }

func connect(dsn, pragmas string, conns int) *sql.DB {
	hook := func(conn *sqlite3.SQLiteConn) error {
		_, err := conn.Exec(pragmas, nil)
		return err
	}
	db := sql.OpenDB(&connector{dsn: dsn, driver: sqlite3.SQLiteDriver{ConnectHook: hook}})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

func (f fileSpec) openWriter() *sql.DB {
	dsn := ":memory:?" + writerOptions
	if f.path != "" {
		dsn = fileDSN(f.path, writerOptions+"&mode=rw&_synchronous="+f.sync)
	}
	const pragmas = "PRAGMA mmap_size=0; PRAGMA journal_size_limit=%d; PRAGMA wal_autocheckpoint=%d; PRAGMA max_page_count=%d"
	wal := f.walPages()
	return connect(dsn, fmt.Sprintf(pragmas, wal*pageSize, wal, f.maxPages()), 1)
}

// walPages is how large the WAL may grow before it is folded into the file: the
// same page of an index is mostly written again soon.
func (f fileSpec) walPages() int64 { return min(max(f.maxPages()/32, 64), 1024) }

func openReaders(path string) *sql.DB {
	return connect(fileDSN(path, readerOptions), "PRAGMA mmap_size=0", 2)
}

func fileDSN(path, options string) string {
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options}).String()
}

func (f fileSpec) maxPages() int64 { return f.quota / pageSize }

// open makes the file if it is absent, checks it and brings its schema up to date.
func (f fileSpec) open(ctx context.Context) (*file, error) {
	if err := f.create(); err != nil {
		return nil, err
	}
	w := f.openWriter()
	opened := &file{fileSpec: f, writer: w, readers: w}
	if err := opened.prepare(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if f.path != "" {
		opened.readers = openReaders(f.path)
	}
	return opened, nil
}

// create makes an empty file with our mode; SQLite gives its companions the same.
func (f fileSpec) create() error {
	if f.path == "" {
		return nil
	}
	made, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	return made.Close()
}

func (f *file) prepare(ctx context.Context) error {
	if version, number, _ := sqlite3.Version(); number < leastSQLite {
		return fmt.Errorf("SQLite %s is too old, 3.51.3 is the least", version)
	}
	if err := quickCheck(ctx, f.writer); err != nil {
		return fmt.Errorf("check file: %w", err)
	}
	if err := f.migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// migrate may go beyond the quota, since what is full is not yet cleared then.
func (f *file) migrate(ctx context.Context) error {
	if _, err := f.writer.ExecContext(ctx, "PRAGMA max_page_count=4294967294"); err != nil {
		return err
	}
	if err := migrate(ctx, f.writer, f.name); err != nil {
		return err
	}
	_, err := f.writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count=%d", f.maxPages()))
	return err
}

// close is safe on a file that was never opened, and more than once. The writer
// goes last, so that it folds the WAL into the file.
func (f *file) close() error {
	if f == nil {
		return nil
	}
	return errors.Join(f.readers.Close(), f.writer.Close())
}

// shrink gives some free pages of a file above its quota back to the disk. It says
// whether there may be more.
func (f *file) shrink(ctx context.Context) (bool, error) {
	var pages, free int64
	err := f.writer.QueryRowContext(ctx, sqlPages).Scan(&pages, &free)
	if err != nil || pages <= f.maxPages() || free == 0 {
		return false, err
	}
	rows, err := f.writer.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPiece))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() { // each step frees a page
	}
	return true, rows.Err()
}

// checkpoint folds the WAL into the file, so that its space can be used again.
func (f *file) checkpoint(ctx context.Context) error {
	_, err := f.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return wrap("checkpoint", err)
}

// isTaken tells that a row of this key is there already.
func isTaken(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrConstraintUnique
}

// isFull tells a full disk or a spent quota from every other failure.
func isFull(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	noSpace := e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT
	return e.Code == sqlite3.ErrFull || noSpace && (e.Code == sqlite3.ErrIoErr || e.Code == sqlite3.ErrCantOpen)
}
