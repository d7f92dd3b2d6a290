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
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// Sizes that nobody needs to set.
const (
	maxValueBytes  = 1 << 20   // one answer, record or fact
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
}

// Store is both files. All methods may be called from any goroutine, before,
// during and after Run; after Close they fail or do nothing.
type Store struct {
	folder  *folder
	queue   *file
	cache   *file
	answers *shelf
	history *shelf
	notes   outbox
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
	s := &Store{folder: dir}
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
	s := &Store{folder: &folder{}}
	if err := s.openFiles(context.Background(), o); err != nil {
		return nil, fmt.Errorf("open store in memory: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// KeepAnswers sets the age at which an answer is of no use any more; below 0
// none is kept. It may be called at any time.
func (s *Store) KeepAnswers(d time.Duration) { s.answers.keep.Store(int64(d)) }

// Close releases the files and the folder. Whatever is still waiting for the
// writer is lost, so let Run return first. A second Close does nothing.
func (s *Store) Close() error {
	return errors.Join(s.cache.close(), s.queue.close(), s.folder.unlock())
}

func (s *Store) openFiles(ctx context.Context, o Options) error {
	var err error
	s.queue, err = s.openFile(ctx, o.file("queue", "FULL", o.HistoryMaxBytes))
	if err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	s.queue.salvage(ctx)
	s.cache, err = s.openFile(ctx, o.file("cache", "NORMAL", o.CacheMaxBytes))
	if err != nil {
		return fmt.Errorf("open cache: %w", err)
	}
	s.wake = make(chan struct{}, 1)
	s.answers = &shelf{file: s.cache, folder: s.folder, sql: statementsFor("answers"), presence: newPresence(o.CacheMaxBytes), ahead: maxAhead, now: o.Now, wake: s.wake}
	s.history = &shelf{file: s.queue, folder: s.folder, sql: statementsForPacked(), packer: newPacker(), now: o.Now, wake: s.wake}
	s.answers.keep.Store(int64(o.CacheKeep))
	s.history.keep.Store(int64(o.HistoryKeep))
	return errors.Join(s.answers.count(ctx), s.history.count(ctx), s.countNotes(ctx))
}

// openFile gives up the reserve and then the old cache, which is opened last, if
// the disk is too full to open a file.
func (s *Store) openFile(ctx context.Context, spec fileSpec) (*file, error) {
	f, err := spec.openOrReplace(ctx)
	for _, free := range []func(){s.folder.dropReserve, s.folder.dropCache} {
		if !isFull(err) {
			break
		}
		free()
		f, err = spec.openOrReplace(ctx)
	}
	return f, err
}

// file describes one of the two files; without a folder it lives in memory.
func (o Options) file(name, sync string, quota int64) fileSpec {
	spec := fileSpec{name: name, sync: sync, quota: quota, log: o.Log, now: o.Now}
	if o.Dir != "" {
		spec.path = filepath.Join(o.Dir, name+".db")
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
	if least := min(o.CacheMaxBytes, o.HistoryMaxBytes); least < minQuotaBytes {
		return fmt.Errorf("a limit of %d bytes is too small, the least is %d", least, minQuotaBytes)
	}
	return nil
}
