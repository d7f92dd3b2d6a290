package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Examine says why a daemon could not listen at the socket, nil when it could,
// or when one does. Nothing is made, changed or removed.
func Examine(socket string) error {
	dir := filepath.Dir(socket)
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return examineParent(dir)
	}
	if err != nil {
		return fmt.Errorf("look at the folder of the socket: %w; %s", err, elsewhere)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder; %s", dir, elsewhere)
	}
	if err := checkFolder(dir, info); err != nil {
		return err
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("the folder of the socket, %s, cannot be written: %w; %s", dir, err, elsewhere)
	}
	if info, err := os.Lstat(socket); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is not a socket; remove it, or %s", socket, elsewhere)
	}
	return nil
}

// examineParent tells whether the folder could be made.
func examineParent(dir string) error {
	parent := filepath.Dir(dir)
	err := unix.Access(parent, unix.W_OK|unix.X_OK)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		return examineParent(parent)
	}
	if err != nil {
		return fmt.Errorf("the folder of the socket cannot be made in %s: %w; %s", parent, err, elsewhere)
	}
	return nil
}
