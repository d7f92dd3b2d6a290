package file

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
)

// PageSize is how many bytes a page has.
const PageSize = 4096

// CountPages is a statement that says how many pages a file has, and how many of
// them are free.
const CountPages = "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count)"

const (
	shrinkPiece = 256       // pages given back at a time
	leastSQLite = 3_051_003 // older ones can lose a write when the WAL starts anew
	// database/sql keeps a connection to one goroutine at a time: it needs no mutex.
	writerOptions = "_auto_vacuum=incremental&_busy_timeout=5000&_cache_size=-512&_foreign_keys=on" +
		"&_journal_mode=WAL&_mutex=no&_secure_delete=on&_stmt_cache_size=16&_txlock=immediate"
	readerOptions = "_busy_timeout=5000&_cache_size=-256&_mutex=no&_query_only=on&_stmt_cache_size=8&mode=ro"
)

// Spec says which file to open and how. Without a path it is in memory.
type Spec struct {
	Name    string // for people, and the folder of its scripts
	Path    string
	Sync    string // PRAGMA synchronous
	Quota   int64  // bytes, at most
	Scripts fs.FS  // migrations/NAME/*.sql, each of which brings the schema one further
	Log     *slog.Logger
	Now     func() time.Time
}

// File is one open database: one connection that writes, two that only read (in
// memory there is just the one), and what is known about its health. Its methods
// may be called from any goroutine. Make it with [Open].
type File struct {
	Spec
	Writer  *sql.DB
	Readers *sql.DB

	aside string // where a damaged predecessor was moved when this one was opened

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

func (f Spec) openWriter() *sql.DB {
	dsn := ":memory:?" + writerOptions
	if f.Path != "" {
		dsn = fileDSN(f.Path, writerOptions+"&mode=rw&_synchronous="+f.Sync)
	}
	const pragmas = "PRAGMA mmap_size=0; PRAGMA journal_size_limit=%d; PRAGMA wal_autocheckpoint=%d; PRAGMA max_page_count=%d"
	wal := f.walPages()
	return connect(dsn, fmt.Sprintf(pragmas, wal*PageSize, wal, f.MaxPages()), 1)
}

// walPages is how large the WAL may grow before it is folded into the file: the
// same page of an index is mostly written again soon.
func (f Spec) walPages() int64 { return min(max(f.MaxPages()/32, 64), 1024) }

func openReaders(path string) *sql.DB {
	return connect(fileDSN(path, readerOptions), "PRAGMA mmap_size=0", 2)
}

func fileDSN(path, options string) string {
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: options}).String()
}

// MaxPages is how many pages the quota has room for.
func (f Spec) MaxPages() int64 { return f.Quota / PageSize }

// open makes the file if it is absent, checks it and brings its schema up to date.
func (f Spec) open(ctx context.Context) (*File, error) {
	if err := f.create(); err != nil {
		return nil, err
	}
	w := f.openWriter()
	opened := &File{Spec: f, Writer: w, Readers: w}
	if err := opened.prepare(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if f.Path != "" {
		opened.Readers = openReaders(f.Path)
	}
	return opened, nil
}

// create makes an empty file with our mode; SQLite gives its companions the same.
func (f Spec) create() error {
	if f.Path == "" {
		return nil
	}
	made, err := os.OpenFile(f.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	return made.Close()
}

func (f *File) prepare(ctx context.Context) error {
	if version, number, _ := sqlite3.Version(); number < leastSQLite {
		return fmt.Errorf("SQLite %s is too old, 3.51.3 is the least", version)
	}
	if err := quickCheck(ctx, f.Writer); err != nil {
		return fmt.Errorf("check file: %w", err)
	}
	if err := f.migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// migrate may go beyond the quota, since what is full is not yet cleared then.
func (f *File) migrate(ctx context.Context) error {
	if _, err := f.Writer.ExecContext(ctx, "PRAGMA max_page_count=4294967294"); err != nil {
		return err
	}
	if err := migrate(ctx, f); err != nil {
		return err
	}
	_, err := f.Writer.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count=%d", f.MaxPages()))
	return err
}

// Close is safe on a file that was never opened, and more than once. The writer
// goes last, so that it folds the WAL into the file.
func (f *File) Close() error {
	if f == nil {
		return nil
	}
	return errors.Join(f.Readers.Close(), f.Writer.Close())
}

// Shrink gives some free pages of a file above its quota back to the disk. It says
// whether there may be more.
func (f *File) Shrink(ctx context.Context) (bool, error) {
	var pages, free int64
	err := f.Writer.QueryRowContext(ctx, CountPages).Scan(&pages, &free)
	if err != nil || pages <= f.MaxPages() || free == 0 {
		return false, err
	}
	rows, err := f.Writer.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPiece))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() { // each step frees a page
	}
	return true, rows.Err()
}

// Checkpoint folds the WAL into the file, so that its space can be used again.
func (f *File) Checkpoint(ctx context.Context) error {
	_, err := f.Writer.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Predecessor reads the damaged file that was moved aside when this one was
// opened; nil where there was none. The caller closes it.
func (f *File) Predecessor() *sql.DB {
	if f.aside == "" {
		return nil
	}
	return openReaders(filepath.Join(filepath.Dir(f.Path), f.aside))
}

// Check reads the file at the path: [ErrDamaged] is one that Open would move aside,
// any other error one that it would leave as it is. It writes nothing, nor the
// companions that SQLite would make beside it, so that there must be no WAL.
func Check(ctx context.Context, path string) error {
	db := connect(fileDSN(path, "immutable=1&mode=ro"), "PRAGMA mmap_size=0", 1)
	defer db.Close()
	err := quickCheck(ctx, db)
	if err != nil && beyondUse(err) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// IsTaken tells that a row of this key is there already.
func IsTaken(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrConstraintUnique
}

// IsFull tells a full disk or a spent quota from every other failure.
func IsFull(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	noSpace := e.SystemErrno == syscall.ENOSPC || e.SystemErrno == syscall.EDQUOT
	return e.Code == sqlite3.ErrFull || noSpace && (e.Code == sqlite3.ErrIoErr || e.Code == sqlite3.ErrCantOpen)
}
