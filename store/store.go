// Package store is what the daemon remembers on disk: answers it may give again,
// the history of its decisions, what was found out about answers, notes that are
// to be told to others, and a few facts that must outlast a power cut. It is two
// SQLite files in one state folder: queue.db, where a fact, label or note that was
// acknowledged is kept, and cache.db, which may be lost at any time without harm.
//
// Answers and decisions are handed to one writer that commits them in batches;
// they can be read back at once. Everything is bounded by bytes and by age, and a
// damaged file is moved aside at boot rather than keeping the daemon from starting.
package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"nearside/store/file"
	"nearside/store/shelf"
)

// migrations are the scripts of both files, see [file.Spec].
//
//go:embed migrations
var migrations embed.FS

// Sizes that nobody needs to set.
const (
	maxFactBytes   = 1 << 20   // of one, with its name
	minQuotaBytes  = 256 << 10 // below this a batch may not fit
	memCacheBytes  = 4 << 20
	memQueueBytes  = 2 << 20
	upkeepInterval = time.Minute
	readTimeout    = 5 * time.Second // a reader that stays open lets the WAL grow
)

// Options says where the store lives and how much it may keep. Only Dir has no
// default. The byte limits must be at least 256 KiB.
type Options struct {
	Dir             string        // state folder, made with mode 0700 if absent
	CacheMaxBytes   int64         // 256 MiB
	CacheKeep       time.Duration // age at which an answer is of no use any more, 168 h; below 0 none is kept
	HistoryMaxBytes int64         // all of queue.db, 64 MiB
	HistoryKeep     time.Duration // 7 days
	Log             *slog.Logger  // discarded if nil
	Now             func() time.Time
	Beside          func() (done func()) // told when the writer has work that takes long, until it is done; nil is none
}

// Store is both files. All methods may be called from any goroutine, before,
// during and after Run; after Close they fail or do nothing.
type Store struct {
	folder  *folder
	queue   *file.File
	cache   *file.File
	answers *shelf.Shelf
	history *shelf.Shelf
	notes   outbox
	now     func() time.Time
	beside  func() (done func())
	wake    chan struct{}
}

// Open locks the folder, opens both files, checks them, replaces what is damaged
// (facts are carried over where they can still be read) and migrates. It fails
// with ErrLocked if another process holds the folder, and with the cause if the
// folder cannot be written; OpenMemory is the way on from the latter.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	dir, err := openFolder(o.Dir, o.Log)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	o.Dir = dir.dir
	s := &Store{folder: dir, beside: o.Beside}
	if err := s.openFiles(ctx, o); err != nil {
		return nil, fmt.Errorf("open store: %w", errors.Join(err, s.Close()))
	}
	dir.fillReserve()
	return s, nil
}

// OpenMemory is a store of a few MiB that is gone after Close, for a device whose
// state folder cannot be written. Options.Dir is not used.
func OpenMemory(o Options) (*Store, error) {
	o.Dir = ""
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("open store in memory: %w", err)
	}
	o.CacheMaxBytes = min(o.CacheMaxBytes, memCacheBytes)
	o.HistoryMaxBytes = min(o.HistoryMaxBytes, memQueueBytes)
	s := &Store{folder: &folder{}, beside: o.Beside}
	if err := s.openFiles(context.Background(), o); err != nil {
		return nil, fmt.Errorf("open store in memory: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// KeepAnswers sets the age at which an answer is of no use any more; below 0
// none is kept. It may be called at any time.
func (s *Store) KeepAnswers(d time.Duration) { s.answers.Keep(d) }

// Close releases the files and the folder. Whatever is still waiting for the
// writer is lost, so let Run return first. A second Close does nothing.
func (s *Store) Close() error {
	return errors.Join(s.cache.Close(), s.queue.Close(), s.folder.unlock())
}

func (s *Store) openFiles(ctx context.Context, o Options) error {
	var err error
	s.queue, err = s.openFile(ctx, o.file("queue", "FULL", o.HistoryMaxBytes))
	if err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	s.salvage(ctx)
	s.cache, err = s.openFile(ctx, o.file("cache", "NORMAL", o.CacheMaxBytes))
	if err != nil {
		return fmt.Errorf("open cache: %w", err)
	}
	s.now, s.wake = o.Now, make(chan struct{}, 1)
	var answersErr, historyErr error
	s.answers, answersErr = shelf.Plain(ctx, "answers", shelf.Options{File: s.cache, Reserve: s.folder, Keep: o.CacheKeep, Now: o.Now, Wake: s.wake})
	s.history, historyErr = shelf.Packed(ctx, shelf.Options{File: s.queue, Reserve: s.folder, Keep: o.HistoryKeep, Now: o.Now, Wake: s.wake})
	return errors.Join(answersErr, historyErr, s.countNotes(ctx))
}

// openFile gives up the reserve and then the old cache, which is opened last, if
// the disk is too full to open a file.
func (s *Store) openFile(ctx context.Context, spec file.Spec) (*file.File, error) {
	f, err := file.Open(ctx, spec)
	for _, free := range []func(){s.folder.Drop, s.folder.dropCache} {
		if !file.IsFull(err) {
			break
		}
		free()
		f, err = file.Open(ctx, spec)
	}
	return f, err
}

// file describes one of the two files; without a folder it lives in memory.
func (o Options) file(name, sync string, quota int64) file.Spec {
	spec := file.Spec{Name: name, Sync: sync, Quota: quota, Scripts: migrations, Log: o.Log, Now: o.Now}
	if o.Dir != "" {
		spec.Path = filepath.Join(o.Dir, name+".db")
	}
	return spec
}

func (o *Options) fill() error {
	o.CacheMaxBytes = cmp.Or(o.CacheMaxBytes, 256<<20)
	o.HistoryMaxBytes = cmp.Or(o.HistoryMaxBytes, 64<<20)
	o.CacheKeep = cmp.Or(o.CacheKeep, 7*24*time.Hour)
	o.HistoryKeep = cmp.Or(o.HistoryKeep, 7*24*time.Hour)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Beside == nil {
		o.Beside = func() func() { return func() {} }
	}
	if least := min(o.CacheMaxBytes, o.HistoryMaxBytes); least < minQuotaBytes {
		return fmt.Errorf("a limit of %d bytes is too small, the least is %d", least, minQuotaBytes)
	}
	return nil
}
