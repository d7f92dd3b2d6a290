package parcel

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// MaxBytes is how large a file may be.
const MaxBytes = 64 << 20

// File is what a signed document says of a file.
type File struct {
	Name   string // by which the document speaks of it; never a path
	URL    string // https
	SHA256 string // 64 digits of lower-case hex
	Bytes  int64
}

// Check tells what is wrong with it, naming the field.
func (f File) Check() error {
	u, err := url.Parse(f.URL)
	switch {
	case !plain(f.Name):
		return fmt.Errorf("name %.80q must be at most 64 of a-z, 0-9, . _ and -, the first a letter or digit", f.Name)
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return errors.New("url must begin with https://")
	case u.User != nil || strings.Contains(f.URL, "#"):
		return errors.New("url must have no user, no password and no #")
	case len(f.URL) > 2048:
		return errors.New("url must have at most 2048 bytes")
	case len(f.SHA256) != 64 || strings.Trim(f.SHA256, "0123456789abcdef") != "":
		return errors.New("sha256 must be 64 digits of lower-case hex")
	case f.Bytes < 1 || f.Bytes > MaxBytes:
		return fmt.Errorf("bytes is %d: it must be from 1 to %d", f.Bytes, MaxBytes)
	}
	return nil
}

// source is the file at its address, whatever documents call it.
func (f File) source() File {
	f.Name = ""
	return f
}

func plain(name string) bool {
	return name != "" && len(name) <= 64 && name[0] != '.' && name[0] != '_' && name[0] != '-' &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// Wish is a file that is wanted here.
type Wish struct {
	File
	Dear bool // also where bytes cost money, whatever its size
	Kept bool // only where it is here: it is not removed, and not fetched
}
