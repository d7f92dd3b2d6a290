package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"nearside/store/file"
)

// ErrUnsettled says that a process was killed while it had a file open: only the
// next Open can tell whether the file is good.
var ErrUnsettled = errors.New("a daemon was killed; the file is checked at the next start")

// ErrDamaged says that what is in a file cannot be right: the next Open moves it aside.
var ErrDamaged = file.ErrDamaged

// Check reads the files of a state folder and says which of them is damaged. It
// writes nothing. A file that is absent is no fault; a folder that another
// process has open gives [ErrLocked].
func Check(ctx context.Context, dir string) error {
	err := unlocked(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there was never a store, or its files were brought here
	}
	for _, name := range []string{"queue.db", "cache.db"} {
		if err == nil {
			err = wrap("check "+name, checkFile(ctx, filepath.Join(dir, name)))
		}
	}
	if err != nil && errors.Is(unlocked(dir), ErrLocked) {
		return ErrLocked // a daemon began meanwhile, and what was read may be half of it
	}
	return err
}

// unlocked tells whether nobody has the folder open. It holds the lock for no
// longer than it takes to ask, so that it is in nobody's way.
func unlocked(dir string) error {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return ErrLocked
	}
	return nil
}

// checkFile reads a file as it is.
func checkFile(ctx context.Context, path string) error {
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return ErrUnsettled
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return file.Check(ctx, path)
}

// Exposed says why others than this user might read or change what is in a
// state folder, "" when they cannot or when there is none.
func Exposed(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Sprintf("the state folder %s belongs to user %d", dir, owner.Uid)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Sprintf("the state folder %s is open to others: its mode is %04o", dir, mode)
	}
	return ""
}
