// Package whole writes files whole or not at all: who reads one meanwhile, or
// after a power cut, finds the old one or the new one.
package whole

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNoFile says that what is there is no file whose place another can take.
var ErrNoFile = errors.New("is a link, a device or a pipe, which is not to be replaced; name a file")

// Fits tells why no file can be put there, nil when one can. It is for asking
// before work that takes minutes.
func Fits(path string) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Write writes a file beside the one there is and puts it in its place, with
// the permissions mode.
func Write(path string, content []byte, mode fs.FileMode) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of no use when it was renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// create makes the file that is to take a place. Its own name means nothing to
// whoever asked, so that errors have the other.
func create(path string) (*os.File, error) {
	switch info, err := os.Lstat(path); {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder", path)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s %w", path, ErrNoFile)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err // such as a name that is too long, which the other would not have
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, &fs.PathError{Op: "create", Path: path, Err: e.Err}
	}
	return f, err
}
