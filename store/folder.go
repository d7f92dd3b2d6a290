package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrLocked says that another process has the state folder open. Unlike a folder
// that cannot be written, this is a reason not to start.
var ErrLocked = errors.New("state folder is in use by another process")

const reserveBytes = 1 << 20

// folder is the state folder: locked for one process, with a reserve file whose
// space is given up when the disk is full, because SQLite needs room even to
// delete. The zero value is the folder of a store in memory and does nothing.
type folder struct {
	dir   string
	log   *slog.Logger
	tried time.Time // by regain

	mu    sync.Mutex // guards all below and the reserve file
	lock  *os.File
	spent bool // the reserve is gone
}

func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if dir == "" {
		return nil, errors.New("no state folder given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder (check its owner and mode): %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	return &folder{dir: dir, log: log, lock: lock}, nil
}

// lockFile takes a lock that the kernel lets go when the process ends, however it
// ends. The file itself stays: removing it would let two processes hold the name.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("folder cannot be written (check its owner and mode): %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w (stop the other daemon or choose another folder): %s", ErrLocked, filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d *folder) unlock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	err := d.lock.Close()
	d.lock = nil
	return err
}

// fillReserve makes the reserve file if it is missing and there is room for it.
func (d *folder) fillReserve() {
	d.mu.Lock()
	defer d.mu.Unlock()
	path := filepath.Join(d.dir, "reserve")
	if info, err := os.Stat(path); d.dir == "" || err == nil && info.Size() == reserveBytes {
		return
	}
	block := make([]byte, reserveBytes)
	rand.Read(block) // so that a compressing filesystem gives it real blocks
	d.spent = os.WriteFile(path, block, 0o600) != nil
	if d.spent {
		os.Remove(path)
	}
}

// regain makes the reserve anew where it was given up and the disk has much more
// room than that by now: until then each write costs old entries. It is for one
// goroutine.
func (d *folder) regain() {
	if !d.Lean() || time.Since(d.tried) < time.Second {
		return
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &disk); err == nil && disk.Bavail*uint64(disk.Bsize) >= 4*reserveBytes {
		d.tried = time.Now() // it may fail all the same, at a quota
		d.fillReserve()
	}
}

// Drop gives the reserve back to the disk.
func (d *folder) Drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir == "" || d.spent {
		return
	}
	os.Remove(filepath.Join(d.dir, "reserve"))
	d.spent = true
	d.log.Warn("store is out of room; oldest entries make way for new ones", "folder", d.dir)
}

// Lean says that there is no reserve: until there is one again, files should not
// grow but reuse what their oldest rows leave.
func (d *folder) Lean() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spent
}

// dropCache removes the cache file, the last thing that can be given up for room
// to start. It must not be open.
func (d *folder) dropCache() {
	for _, suffix := range []string{"-wal", "-shm", ""} {
		os.Remove(filepath.Join(d.dir, "cache.db"+suffix))
	}
}
