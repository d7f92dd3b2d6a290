package parcel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	stall     = time.Minute // without a byte
	leastRate = 2 << 10     // bytes a second that the whole of it must come at
	grace     = 10 * time.Minute
	mostBusy  = 24 * time.Hour
)

// busy is a server that wants to be left alone for a while.
type busy struct {
	error
	after time.Duration
}

// lost is what comes of a network that is not there, or not what it seems.
type lost struct{ error }

func (l *lost) Unwrap() error { return l.error }

// ErrAltered is the error of a file whose bytes are not those that were signed.
var ErrAltered = errors.New("its SHA-256 is not the signed one")

// Of a server that takes too long.
var (
	errStalled error = &lost{fmt.Errorf("no byte came for %s", stall)}
	errSlow          = fmt.Errorf("it came at less than %d bytes a second", leastRate)
)

// Read is the content of a file that has come, checked again since disks rot.
// One that is not what was signed is removed, and fetched again. The error is
// [fs.ErrNotExist] where it has not come.
func (y *Yard) Read(f File) ([]byte, error) {
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("read file %s: %w", f.Name, err)
	}
	file, err := y.root.Open(f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("read file %s: %w", f.Name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, f.Bytes+1))
	if err != nil {
		return nil, fmt.Errorf("read file %s: %w", f.Name, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		y.discard(file, f)
		return nil, fmt.Errorf("read file %s: %w", f.Name, ErrAltered)
	}
	return data, nil
}

// discard removes a file that is not what was signed, unless a good one took its
// place meanwhile, and has it fetched.
func (y *Yard) discard(file *os.File, f File) {
	y.disk.Lock()
	defer y.disk.Unlock()
	read, err := file.Stat()
	now, gone := y.root.Lstat(f.SHA256)
	if err == nil && gone == nil && os.SameFile(read, now) {
		y.rot(f)
		_ = y.root.Remove(f.SHA256) // else it is found again at the next reading
	}
	y.Wake()
}

// rot has a file fetched anew at once; one that is another again and again, ever
// more seldom, since the disk is to blame and each time costs all its bytes.
func (y *Yard) rot(f File) {
	y.mu.Lock()
	defer y.mu.Unlock()
	t := y.trial(f)
	if t.rotten++; t.rotten > 1 {
		t.fault, t.next = "the disk does not keep it as it came", time.Now().Add(min(mostAltered, firstRetry<<min(t.rotten, 20)))
	}
}

// fetch brings the rest of a file. What was there of it is gone on with once: if
// the whole is not what was signed, it begins anew, unless that cannot be removed.
func (y *Yard) fetch(ctx context.Context, f File) error {
	if err := f.Check(); err != nil {
		return err
	}
	for {
		had := y.have(f)
		if had > f.Bytes {
			had = 0
		}
		err := y.part(ctx, f, had)
		if err == nil {
			err = y.finish(f)
		}
		if errors.Is(err, ErrAltered) || errors.Is(err, errRange) {
			gone := y.root.Remove(f.SHA256 + partSuffix)
			if had > 0 && gone == nil {
				continue
			}
		}
		return err
	}
}

// part brings what comes after the first bytes of a file, which are there.
func (y *Yard) part(ctx context.Context, f File, had int64) error {
	if had == f.Bytes {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, grace+time.Duration(f.Bytes/leastRate)*time.Second, errSlow)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	alive := time.AfterFunc(stall, func() { stop(errStalled) })
	defer alive.Stop()
	reply, err := y.ask(ctx, f, had)
	if err == nil {
		defer reply.Body.Close()
		err = y.take(&pulse{reply.Body, alive}, f, begin(reply, had))
	}
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// begin is where in the file the reply begins.
func begin(reply *http.Response, had int64) int64 {
	if reply.StatusCode == http.StatusPartialContent {
		return had
	}
	return 0
}

// take writes what comes behind the first bytes of a part, on the disk when it
// returns.
func (y *Yard) take(in io.Reader, f File, had int64) error {
	out, err := y.root.OpenFile(f.SHA256+partSuffix, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(out.Truncate(had), seek(out, had))
	if err == nil {
		err = fill(out, in, f.Bytes-had)
	}
	err = errors.Join(err, out.Sync(), out.Close())
	if outOfRoom(err) {
		_ = y.root.Remove(f.SHA256 + partSuffix) // others need the room more
	}
	return err
}

// outOfRoom tells whether the disk is full.
func outOfRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func seek(f *os.File, to int64) error {
	_, err := f.Seek(to, io.SeekStart)
	return err
}

// fill copies exactly n bytes.
func fill(out io.Writer, in io.Reader, n int64) error {
	got, err := io.Copy(out, io.LimitReader(in, n))
	if err != nil {
		return err
	}
	if got < n {
		return &lost{fmt.Errorf("it ended %d bytes early: %w", n-got, io.ErrUnexpectedEOF)}
	}
	if more, _ := in.Read(make([]byte, 1)); more > 0 {
		return fmt.Errorf("it is larger than was signed: %w", ErrAltered)
	}
	return nil
}

// pulse puts the end of patience off with every byte.
type pulse struct {
	io.Reader
	alive *time.Timer
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.alive.Reset(stall)
	}
	if err != nil && err != io.EOF {
		err = &lost{err}
	}
	return n, err
}

// errRange is of a server that cannot go on where the file was left.
var errRange = errors.New("the server cannot go on where the file was left")

// ask sends the request for what comes after the first bytes.
func (y *Yard) ask(ctx context.Context, f File, had int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "nearside")
	if had > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", had))
	}
	reply, err := y.Via.RoundTrip(r)
	if err != nil {
		return nil, &lost{err}
	}
	if err := judge(reply, f, had); err != nil {
		return nil, errors.Join(err, reply.Body.Close())
	}
	return reply, nil
}

// judge tells whether a reply is what was asked for.
func judge(reply *http.Response, f File, had int64) error {
	coding := reply.Header.Get("Content-Encoding")
	switch {
	case reply.StatusCode == http.StatusRequestedRangeNotSatisfiable && had > 0:
		return errRange
	case reply.StatusCode == http.StatusPartialContent && had > 0:
		if reply.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", had, f.Bytes-1, f.Bytes) {
			return errRange
		}
	case reply.StatusCode >= 300 && reply.StatusCode < 400:
		return fmt.Errorf("status %d: redirects are not followed; sign the address itself", reply.StatusCode)
	case reply.StatusCode != http.StatusOK:
		return &busy{fmt.Errorf("status %d", reply.StatusCode), retryAfter(reply)}
	case reply.ContentLength >= 0 && reply.ContentLength != f.Bytes:
		return fmt.Errorf("it has %d bytes, and %d were signed", reply.ContentLength, f.Bytes)
	}
	if coding != "" && coding != "identity" {
		return errors.New("it is compressed, which was not asked for")
	}
	return nil
}

func retryAfter(reply *http.Response) time.Duration {
	seconds, err := strconv.ParseUint(reply.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return min(mostBusy, time.Duration(seconds)*time.Second)
}

// finish puts a file that is whole in its place, so that a power cut leaves the
// file or its part.
func (y *Yard) finish(f File) error {
	part, err := y.root.Open(f.SHA256 + partSuffix)
	if err != nil {
		return err
	}
	defer part.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, part); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return ErrAltered
	}
	return y.install(f)
}

func (y *Yard) install(f File) error {
	y.disk.Lock()
	defer y.disk.Unlock()
	if err := y.root.Rename(f.SHA256+partSuffix, f.SHA256); err != nil {
		return err
	}
	return y.settle()
}

// settle makes the folder's names last.
func (y *Yard) settle() error {
	dir, err := y.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// size is how many bytes a file of the folder has, -1 when it is not there.
func (y *Yard) size(name string) int64 {
	info, err := y.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}

// have is how many bytes of a file have come.
func (y *Yard) have(f File) int64 { return max(0, y.size(f.SHA256+partSuffix)) }

func (y *Yard) entries() []fs.DirEntry {
	list, _ := fs.ReadDir(y.root.FS(), ".") // what cannot be listed now is removed later
	return list
}

func sortedKeys(m map[string][]Wish) []string { return slices.Sorted(maps.Keys(m)) }
