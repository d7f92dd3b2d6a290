// Package weights looks at model files: how their weights are kept, as their names
// say, and whether a file is the one that it should be, by the checksum that the
// catalogue has or by the one of its first load.
package weights

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// Stamp tells one state of a file from another without reading it. The zero
// stamp is no file's.
type Stamp struct {
	dev, inode       uint64
	size             int64
	written, changed syscall.Timespec
}

// StampOf is that of the file as it is now.
func StampOf(path string) (Stamp, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		return Stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return Stamp{uint64(s.Dev), s.Ino, s.Size, s.Mtim, s.Ctim}, nil
}

// Ledger remembers facts for good. It is where the checksum of a model that
// came without one is held.
type Ledger interface {
	Fact(ctx context.Context, name string) (value string, ok bool, err error)
	SetFact(ctx context.Context, name, value string) error
}

// File is a model's file, as the catalogue has it.
type File struct {
	Model  string // name
	Path   string
	SHA256 string // hex; "": the one of the first load counts
}

// Trust holds the file, which has that checksum, to the one it should have; the
// ledger is asked only where the catalogue has none. It is false while there is
// neither: no ledger.
func (f File) Trust(ctx context.Context, sum string, ledger func() Ledger) (held bool, err error) {
	want, source := f.SHA256, "the catalogue"
	if want == "" {
		l := ledger()
		if l == nil {
			return false, nil
		}
		source = "its first load"
		if want, err = recorded(ctx, l, ChecksumFact(f.Model), sum); err != nil {
			return false, err
		}
	}
	if !strings.EqualFold(want, sum) {
		return false, fmt.Errorf("the model file %s has SHA-256 %.12s..., but %s says %.12s...; it is not loaded. Restore the file, or state its sha256 under local.models", f.Path, sum, source, want)
	}
	return true, nil
}

// ChecksumFact is the name of the fact that holds the checksum of a model's
// first load, where the catalogue has none.
func ChecksumFact(model string) string { return "model_sha256/" + model }

// recorded is the fact in the ledger; sum becomes it when there is none.
func recorded(ctx context.Context, ledger Ledger, fact, sum string) (string, error) {
	want, ok, err := ledger.Fact(ctx, fact)
	if err != nil {
		return "", fmt.Errorf("look up checksum: %w", err)
	}
	if ok {
		return want, nil
	}
	if err := ledger.SetFact(ctx, fact, sum); err != nil {
		return "", fmt.Errorf("record checksum: %w", err)
	}
	return sum, nil
}

// quantisation is how the names of model files end that say how the weights are
// kept.
var quantisation = regexp.MustCompile(`(?i)[-._]((?:IQ|TQ|Q)[0-9][0-9A-Z_]*|BF16|F16|F32)\.gguf$`)

// Quantisation is how the weights of a model file are kept, such as Q4_1, as
// its name says; "" when it does not.
func Quantisation(file string) string {
	if m := quantisation.FindStringSubmatch(file); m != nil {
		return strings.ToUpper(m[1])
	}
	return ""
}

// Sum is the SHA-256 of a file, in lower-case hex. What is no file, such as a
// pipe, which may never end, is an error.
func Sum(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
