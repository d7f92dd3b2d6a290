// Package twofold keeps a small record twice, apart from each other: in a file,
// which is there at once when the daemon starts, and as a fact of the store,
// which is there once that is open. Whoever deletes one of them, or puts an
// older one in its place, changes nothing: the other one tells.
package twofold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const (
	fact  = "remote" // of the store
	file  = "record" // in the folder
	fresh = "record.new"
	most  = 1 << 20 // bytes
)

// Facts is a store of small texts, each durable when SetFact returns.
type Facts interface {
	Fact(ctx context.Context, name string) (string, bool, error)
	SetFact(ctx context.Context, name, value string) error
}

// Keeper keeps one record. Save is for one goroutine at a time, the rest for
// any.
type Keeper struct {
	dir  string
	open func(context.Context) (Facts, error)

	mu    sync.Mutex // guards what follows
	facts Facts      // nil until Second has read the other copy
	fault string
}

// New keeps a record in a folder, which is made when it is needed (0700, the
// file 0600), and in the facts that open returns once they can be used; nil
// when there will be none.
func New(dir string, open func(context.Context) (Facts, error)) *Keeper {
	return &Keeper{dir: dir, open: open}
}

// Load reads the file; nil when there is none.
func (k *Keeper) Load() ([]byte, error) {
	f, err := os.Open(filepath.Join(k.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = errors.New("it has more than 1 MiB")
	}
	if err != nil {
		return nil, fmt.Errorf("read the record %s: %w", f.Name(), err)
	}
	return b, nil
}

// Second waits for the facts and reads the copy there; nil when there is none.
// From then on Save writes both.
func (k *Keeper) Second(ctx context.Context) ([]byte, error) {
	facts, err := k.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for the store: %w", err)
	}
	if facts == nil {
		return nil, nil
	}
	text, _, err := facts.Fact(ctx, fact)
	k.mu.Lock()
	k.facts = facts
	k.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("read the record in the store: %w", err)
	}
	return []byte(text), nil
}

// Save returns once the file would survive a power cut. Both copies are written
// at the same time, since each waits for its disk. That the one in the store
// could not be written is no error, see [Keeper.Fault]: the next Save tries
// again.
func (k *Keeper) Save(ctx context.Context, record []byte) error {
	if len(record) > most {
		return fmt.Errorf("keep the record: it has %d bytes, at most 1 MiB", len(record))
	}
	var other sync.WaitGroup
	defer other.Wait()
	other.Go(func() { k.state(ctx, record) })
	if err := k.write(record); err != nil {
		return fmt.Errorf("keep the record in %s: %w", k.dir, err)
	}
	return nil
}

// state writes the copy in the store, once that was read.
func (k *Keeper) state(ctx context.Context, record []byte) {
	k.mu.Lock()
	facts := k.facts
	k.mu.Unlock()
	if facts == nil {
		return
	}
	fault := ""
	if err := facts.SetFact(ctx, fact, string(record)); err != nil {
		fault = err.Error()
	}
	k.mu.Lock()
	k.fault = fault
	k.mu.Unlock()
}

// Fault is why the copy in the store is behind; "" when it is not.
func (k *Keeper) Fault() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// write puts the record in the place of the old one: a reader, and whoever
// comes after a power cut, finds the one or the other.
func (k *Keeper) write(record []byte) error {
	dir, err := k.folder()
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := written(dir, record); err != nil {
		return err
	}
	if err := dir.Rename(fresh, file); err != nil {
		return err
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// folder is the folder, made if need be. One that others may write is not used.
func (k *Keeper) folder() (*os.Root, error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(k.dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others may write there (%v); chmod it to 0700", info.Mode().Perm())
	}
	return os.OpenRoot(k.dir)
}

// written writes the new file, to the disk.
func written(dir *os.Root, record []byte) error {
	if err := dir.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // what a cut left behind
	}
	f, err := dir.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(record)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
