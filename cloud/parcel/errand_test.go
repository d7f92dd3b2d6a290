package parcel_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/parcel"
)

// road is how files are fetched in virtual time, without a socket.
type road func(r *http.Request) (*http.Response, error)

func (f road) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// bubble is a yard that runs in virtual time, and what it is told of the world.
type bubble struct {
	*parcel.Yard
	dir string

	mu      sync.Mutex
	asked   []string // address and range
	files   map[string][]byte
	hold    chan struct{} // the second half of a file comes when it is closed; nil: at once
	cut     error         // of every request
	metered bool
	free    int64
	got     []string
	stop    func()
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{dir: t.TempDir(), files: map[string][]byte{}, free: 1 << 40}
	locked := func(f func()) { b.mu.Lock(); defer b.mu.Unlock(); f() }
	var err error
	b.Yard, err = parcel.Open(parcel.Options{
		Dir: b.dir, Via: road(b.serve), Random: func() float64 { return 1 },
		Got:     func(f parcel.File) { locked(func() { b.got = append(b.got, f.Name) }) },
		Metered: func() (is bool) { locked(func() { is = b.metered }); return is },
		Free:    func() (n int64, err error) { locked(func() { n = b.free }); return n, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bubble) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
}

// set changes the world, wakes the yard, and returns when all is quiet.
func (b *bubble) set(f func()) {
	b.mu.Lock()
	f()
	b.mu.Unlock()
	b.Wake()
	synctest.Wait()
}

func (b *bubble) serve(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	if b.cut != nil {
		return nil, b.cut
	}
	data, there := b.files[r.URL.Path]
	reply := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(data)), Body: io.NopCloser(bytes.NewReader(data))}
	if !there {
		reply.StatusCode = http.StatusNotFound
	}
	if hold := b.hold; hold != nil {
		half := len(data) / 2
		reply.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data[:half]), &held{r.Context(), hold}, bytes.NewReader(data[half:])))
	}
	return reply, nil
}

// held has nothing to read, until hold is closed.
type held struct {
	ctx  context.Context
	hold chan struct{}
}

func (h *held) Read([]byte) (int, error) {
	select {
	case <-h.hold:
		return 0, io.EOF
	case <-h.ctx.Done():
		return 0, h.ctx.Err()
	}
}

// has puts a file at a path of the server.
func (b *bubble) has(path string, n int) parcel.File {
	data := append(content(n), path...)
	b.files[path] = data
	sum := sha256.Sum256(data)
	return parcel.File{Name: path[1:], URL: "https://files.example" + path, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(data))}
}

func (b *bubble) saw(t *testing.T, what string, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.asked, want) {
		t.Errorf("%s: asked for %q, want %q", what, b.asked, want)
	}
}

// TestNotToItsEnd: the fetching of a file that nobody wants any more ends at once,
// and so does that of a large one when bytes begin to cost money; that is no
// failure, and another file need not wait for it.
func TestNotToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		old, next := b.has("/old", 600_000), b.has("/next", 500_000)
		hold := make(chan struct{})
		b.hold = hold
		b.run(t)
		defer b.stop()
		b.Want("gate", parcel.Wish{File: old})
		synctest.Wait()
		b.Want("gate", parcel.Wish{File: next})
		synctest.Wait()
		b.saw(t, "another is wanted", "/old", "/next")
		b.set(func() { b.metered = true })
		if s := b.Status(); len(s) != 1 || !strings.Contains(s[0].Why, "cost nothing") || s[0].Have == 0 {
			t.Errorf("bytes cost money: %+v", s)
		}
		b.set(func() { b.metered, b.hold = false, nil })
		close(hold)
		b.saw(t, "bytes cost nothing", "/old", "/next", "/next bytes=250002-")
		if !slices.Equal(b.got, []string{"next"}) {
			t.Errorf("got %v", b.got)
		}
	})
}

// TestOtherAddress: where an address has not the file, another is asked for it at
// once, whether it takes the place of the first or is wanted beside it; one that
// allows for costs counts for both.
func TestOtherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		good := b.has("/good", 500_000)
		wrong := good
		wrong.URL = "https://files.example/wrong"
		b.run(t)
		defer b.stop()
		b.Want("gate", parcel.Wish{File: wrong})
		synctest.Wait()
		b.Want("waiting", parcel.Wish{File: good})
		synctest.Wait()
		b.saw(t, "beside it", "/wrong", "/good")
		other := b.has("/other", 500_000)
		lone := other
		lone.URL = wrong.URL
		b.Want("gate", parcel.Wish{File: lone})
		b.Want("waiting")
		synctest.Wait()
		b.Want("gate", parcel.Wish{File: other})
		synctest.Wait()
		b.saw(t, "in its place", "/wrong", "/good", "/wrong", "/other")
		dear := b.has("/dear", 500_000)
		b.set(func() { b.metered = true })
		b.Want("gate", parcel.Wish{File: dear})
		b.Want("waiting", parcel.Wish{File: dear, Dear: true})
		synctest.Wait()
		if got := []string{"good", "other", "dear"}; !slices.Equal(b.got, got) {
			t.Errorf("got %v, want %v", b.got, got)
		}
	})
}

// TestRetry: what failed for want of a network comes soon after there is one
// again, however often it failed; an address that has not the file is left alone.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		f := b.has("/f", 1000)
		gone := f
		gone.URL = "https://files.example/gone"
		b.cut = errors.New("no route")
		b.run(t)
		defer b.stop()
		b.Want("gate", parcel.Wish{File: f})
		<-time.After(12 * time.Hour)
		synctest.Wait()
		if n := len(b.asked); n < 10 || n > 30 {
			t.Errorf("asked %d times in 12 hours", n)
		}
		b.set(func() { b.cut, b.asked = nil, nil })
		b.saw(t, "woken alone")
		b.Retry()
		<-time.After(10 * time.Second)
		synctest.Wait()
		b.saw(t, "there is a network again", "/f")
		b.Want("gate", parcel.Wish{File: gone})
		synctest.Wait()
		if err := os.Remove(filepath.Join(b.dir, f.SHA256)); err != nil {
			t.Fatal(err)
		}
		b.set(func() { b.asked = nil })
		<-time.After(time.Second)
		b.Retry()
		synctest.Wait()
		b.saw(t, "an address without it", "/gone")
	})
}

// TestAlteredSeldom: an address that has other bytes than were signed costs all of
// them each time, so it is asked ever more seldom.
func TestAlteredSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		f := b.has("/f", 1000)
		b.files["/f"] = bytes.Repeat([]byte("x"), int(f.Bytes))
		b.run(t)
		defer b.stop()
		b.Want("gate", parcel.Wish{File: f})
		<-time.After(30 * 24 * time.Hour)
		synctest.Wait()
		if n := len(b.asked); n < 30 || n > 50 {
			t.Errorf("asked %d times in 30 days", n)
		}
	})
}

// TestMakesRoom: parts that nobody wants go at once where the disk has no room for
// what is wanted, and else when they are old; what is only kept stays, and is not
// fetched when it is lost.
func TestMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		f, kept := b.has("/f", 1000), b.has("/kept", 1000)
		part := filepath.Join(b.dir, strings.Repeat("a", 64)+".part")
		if err := errors.Join(os.WriteFile(part, make([]byte, 1000), 0o600), os.WriteFile(filepath.Join(b.dir, kept.SHA256), b.files["/kept"], 0o600), os.Chtimes(part, time.Now(), time.Now())); err != nil {
			t.Fatal(err)
		}
		b.Want("dropped", parcel.Wish{File: kept, Kept: true})
		b.run(t)
		defer b.stop()
		if got := names(t, b.dir); len(got) != 2 {
			t.Errorf("there is room, and %v are left", got)
		}
		b.free = 1 << 20
		b.Want("gate", parcel.Wish{File: f})
		synctest.Wait()
		if got := names(t, b.dir); !slices.Equal(got, []string{kept.SHA256}) {
			t.Errorf("there is no room, and %v are left", got)
		}
		if err := os.Remove(filepath.Join(b.dir, kept.SHA256)); err != nil {
			t.Fatal(err)
		}
		b.set(func() { b.free = 1 << 40 })
		b.saw(t, "there is room", "/f")
		if s := b.Status(); len(s) > 0 {
			t.Errorf("missing %+v", s)
		}
	})
}

// TestRotsAgain: a disk that alters each file that is put on it does not have it
// fetched without end.
func TestRotsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		f := b.has("/f", 1000)
		b.run(t)
		defer b.stop()
		b.Want("gate", parcel.Wish{File: f})
		for range 7 * 24 * 60 {
			<-time.After(time.Minute)
			synctest.Wait()
			if !b.Has(f) {
				continue
			}
			if err := os.WriteFile(filepath.Join(b.dir, f.SHA256), make([]byte, f.Bytes), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Read(f); !errors.Is(err, parcel.ErrAltered) {
				t.Fatalf("got %v", err)
			}
		}
		if n := len(b.asked); n < 12 || n > 25 {
			t.Errorf("asked %d times in a week", n)
		}
	})
}

// TestStuckPart: a part that is of no use and cannot be removed, as on a disk that
// can only be read now, has the server asked once each time, not without a pause.
func TestStuckPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		f := b.has("/f", 1000)
		part := filepath.Join(b.dir, f.SHA256+".part")
		if err := os.WriteFile(part, make([]byte, 10), 0o600); err != nil {
			t.Fatal(err)
		}
		b.Via = road(func(r *http.Request) (*http.Response, error) {
			// Root may write anywhere, so the rest of this errand looks at files as
			// nobody; its thread ends with it.
			runtime.LockOSThread()
			syscall.Setfsuid(65534)
			if _, err := b.serve(r); err != nil || len(b.asked) > 100 {
				return nil, errors.New("a test that fails is to end")
			}
			return &http.Response{StatusCode: http.StatusRequestedRangeNotSatisfiable, Header: http.Header{}, Body: http.NoBody}, nil
		})
		if err := errors.Join(os.Chmod(b.dir, 0o555), os.Chmod(filepath.Dir(b.dir), 0o755)); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(b.dir, 0o700)
		b.Want("gate", parcel.Wish{File: f})
		b.run(t)
		defer b.stop()
		b.saw(t, "it cannot be removed", "/f bytes=10-")
	})
}
