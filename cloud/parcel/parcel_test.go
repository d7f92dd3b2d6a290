package parcel_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/cloud/parcel"
)

// content is a file of so many bytes, the same each time.
func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// depot is a server of files: each request is answered by the next of its
// answers, the last one for ever.
type depot struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	ranges  []string // of the requests
}

func (d *depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.ranges = append(d.ranges, r.Header.Get("Range"))
	next := d.answers[0]
	if len(d.answers) > 1 {
		d.answers = d.answers[1:]
	}
	d.mu.Unlock()
	next(w, r)
}

func (d *depot) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ranges)
}

// whole serves a file, and parts of it when asked for them.
func whole(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// cut serves the first n bytes of what it says is the whole.
func cut(b []byte, n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// plain serves bytes without a length, whatever was asked for.
func plain(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(b)
	}
}

// rig is a yard that runs, and the depot it asks.
type rig struct {
	*parcel.Yard
	*depot
	dir  string
	file parcel.File
	got  chan parcel.File
}

// build makes a rig for a file of these bytes; change may alter the options.
func build(t *testing.T, b []byte, change func(*parcel.Options), answers ...http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{depot: &depot{answers: answers}, dir: filepath.Join(t.TempDir(), "parcels"), got: make(chan parcel.File, 8)}
	s := httptest.NewUnstartedServer(r.depot)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	sum := sha256.Sum256(b)
	r.file = parcel.File{Name: "a.gate", URL: s.URL + "/files/a", SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(b))}
	o := parcel.Options{Dir: r.dir, Via: s.Client().Transport, Got: func(f parcel.File) { r.got <- f }, Random: func() float64 { return 0 }}
	if change != nil {
		change(&o)
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.Yard, err = parcel.Open(o); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// comes waits for the file.
func (r *rig) comes(t *testing.T, want []byte) {
	t.Helper()
	select {
	case <-r.got:
	case <-time.After(time.Minute):
		t.Fatalf("it did not come: %+v", r.Status())
	}
	if data, err := r.Read(r.file); err != nil || !bytes.Equal(data, want) {
		t.Fatalf("got %d bytes and %v, want %d", len(data), err, len(want))
	}
}

// eventually waits until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("never: " + what)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

// TestComes: it is asked for once, kept under its digest, and removed when
// nobody wants it.
func TestComes(t *testing.T) {
	b := content(300_000)
	r := build(t, b, nil, whole(b))
	r.run(t)
	r.Want("gate", parcel.Wish{File: r.file})
	r.comes(t, b)
	r.Want("other", parcel.Wish{File: r.file})
	r.Want("gate")
	if got := names(t, r.dir); !slices.Equal(got, []string{r.file.SHA256}) {
		t.Errorf("the folder has %v", got)
	}
	if got := r.Status(); len(got) > 0 {
		t.Errorf("still missing: %+v", got)
	}
	r.Want("other")
	eventually(t, "removed", func() bool { return len(names(t, r.dir)) == 0 })
	if len(r.asked()) != 1 {
		t.Errorf("asked %d times", len(r.asked()))
	}
	if _, err := r.Read(r.file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestGoesOn where it was cut off, as far as the server can, and begins anew
// where what was there is not what was signed.
func TestGoesOn(t *testing.T) {
	b := content(200_000)
	wrong := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", "bytes 7-199999/200000")
		w.WriteHeader(http.StatusPartialContent)
	}
	none := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) }
	f := func(name, part string, want []string, answers ...http.HandlerFunc) {
		t.Helper()
		r := build(t, b, nil, answers...)
		if part != "" {
			if err := os.WriteFile(filepath.Join(r.dir, r.file.SHA256+".part"), []byte(part), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r.run(t)
		r.Want("gate", parcel.Wish{File: r.file})
		r.comes(t, b)
		if got := r.asked(); !slices.Equal(got, want) {
			t.Errorf("%s: asked for %q, want %q", name, got, want)
		}
	}
	half := string(b[:100_000])
	f("cut", "", []string{"", "bytes=100000-"}, cut(b, 100_000), whole(b))
	f("power cut", half, []string{"bytes=100000-"}, whole(b))
	f("all but the renaming", string(b), nil, whole(b))
	f("no ranges", half, []string{"bytes=100000-"}, plain(b))
	f("another range", half, []string{"bytes=100000-", ""}, wrong, whole(b))
	f("no such range", half, []string{"bytes=100000-", ""}, none, whole(b))
	f("other bytes", strings.Repeat("x", 100_000), []string{"bytes=100000-", ""}, whole(b))
	f("more than there may be", strings.Repeat("x", 300_000), []string{""}, whole(b))
}

// TestNotTheFile: what is not what was signed is never read, and never kept.
func TestNotTheFile(t *testing.T) {
	b := content(100_000)
	elsewhere := httptest.NewTLSServer(whole(b))
	t.Cleanup(elsewhere.Close)
	f := func(name, want string, h http.HandlerFunc) {
		t.Helper()
		r := build(t, b, nil, h)
		r.run(t)
		r.Want("gate", parcel.Wish{File: r.file})
		eventually(t, name, func() bool { s := r.Status(); return len(s) == 1 && s[0].Why != "" })
		if s := r.Status()[0]; !strings.Contains(s.Why, want) || s.Next.IsZero() {
			t.Errorf("%s: got %+v, want %q", name, s, want)
		}
		if _, err := r.Read(r.file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: reads with %v", name, err)
		}
	}
	f("altered", "not the signed one", whole(append([]byte("x"), b[1:]...)))
	f("larger", "larger than was signed", plain(append(slices.Clone(b), 'x')))
	f("larger, and says so", "100001 bytes, and 100000 were signed", whole(append(slices.Clone(b), 'x')))
	f("endless", "larger than was signed", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	f("smaller", "ended 1 bytes early", plain(b[1:]))
	f("redirect", "redirects are not followed", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	})
	f("gone", "status 404", http.NotFound)
	f("packed", "compressed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b)
	})
}

// TestHindered: no request while offline, where the disk is full, or for a large
// file where bytes cost money, unless the document allows it.
func TestHindered(t *testing.T) {
	large, small := content(300_000), content(1000)
	f := func(name string, b []byte, dear bool, want string, change func(*parcel.Options)) {
		t.Helper()
		r := build(t, b, change, whole(b))
		r.run(t)
		r.Want("gate", parcel.Wish{File: r.file, Dear: dear})
		if want == "" {
			r.comes(t, b)
			return
		}
		eventually(t, name, func() bool { s := r.Status(); return len(s) == 1 && strings.Contains(s[0].Why, want) })
		if got := r.asked(); len(got) > 0 {
			t.Errorf("%s: asked %d times", name, len(got))
		}
	}
	metered := func(o *parcel.Options) { o.Metered = func() bool { return true } }
	f("offline", small, true, "offline", func(o *parcel.Options) { o.Online = func() bool { return false } })
	f("metered and large", large, false, "metered: allow", metered)
	f("metered and small", small, false, "", metered)
	f("metered and allowed", large, true, "", metered)
	f("full", small, true, "16778216 are needed", func(o *parcel.Options) { o.Free = func() (int64, error) { return 16 << 20, nil } })
	f("room", small, true, "", func(o *parcel.Options) { o.Free = func() (int64, error) { return 17 << 20, nil } })
}

// TestComesBack: a wish that was hindered is looked at again when it is told.
func TestComesBack(t *testing.T) {
	b := content(1000)
	var mu sync.Mutex
	online := false
	r := build(t, b, func(o *parcel.Options) {
		o.Online = func() bool { mu.Lock(); defer mu.Unlock(); return online }
	}, whole(b))
	r.run(t)
	r.Want("gate", parcel.Wish{File: r.file})
	eventually(t, "seen", func() bool { s := r.Status(); return len(s) == 1 && s[0].Why != "" })
	mu.Lock()
	online = true
	mu.Unlock()
	r.Wake()
	r.comes(t, b)
}

// TestAskedWhileLooking: who is asked for the network may ask how fetching goes.
func TestAskedWhileLooking(t *testing.T) {
	b := content(1000)
	var r *rig
	r = build(t, b, func(o *parcel.Options) {
		o.Online = func() bool { return len(r.Status()) > 0 }
		o.Metered = func() bool { return len(r.Status()) > 1 }
		o.Free = func() (int64, error) { return int64(len(r.Status())) << 30, nil }
	}, whole(b))
	r.Want("gate", parcel.Wish{File: r.file})
	r.run(t)
	r.comes(t, b)
}

// TestRot: a file that changed on the disk is not read, and comes again.
func TestRot(t *testing.T) {
	b := content(1000)
	for _, damage := range [][]byte{append([]byte("x"), b[1:]...), b[1:], append(slices.Clone(b), 'x')} {
		r := build(t, b, nil, whole(b))
		if err := os.WriteFile(filepath.Join(r.dir, r.file.SHA256), damage, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(r.file); !errors.Is(err, parcel.ErrAltered) {
			t.Errorf("got %v", err)
		}
		if got := names(t, r.dir); len(got) > 0 {
			t.Errorf("kept %v", got)
		}
		r.Want("gate", parcel.Wish{File: r.file})
		r.run(t)
		r.comes(t, b)
	}
}

// TestRotWhileItRuns: it is fetched again because it could not be read.
func TestRotWhileItRuns(t *testing.T) {
	b := content(1000)
	r := build(t, b, nil, whole(b))
	r.Want("gate", parcel.Wish{File: r.file})
	r.run(t)
	r.comes(t, b)
	if err := os.WriteFile(filepath.Join(r.dir, r.file.SHA256), append([]byte("x"), b[1:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(r.file); !errors.Is(err, parcel.ErrAltered) {
		t.Errorf("got %v", err)
	}
	r.comes(t, b)
}

// TestLeftovers: at the start what nobody wants goes, but for parts that are
// young; links lead nowhere.
func TestLeftovers(t *testing.T) {
	b := content(1000)
	r := build(t, b, nil, whole(b))
	secret := filepath.Join(t.TempDir(), "secret")
	old := strings.Repeat("b", 64) + ".part"
	young := strings.Repeat("c", 64) + ".part"
	for path, text := range map[string]string{secret: "s", filepath.Join(r.dir, "stray"): "x", filepath.Join(r.dir, old): "x", filepath.Join(r.dir, young): "x"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	week := time.Now().Add(-8 * 24 * time.Hour)
	if err := errors.Join(os.Chtimes(filepath.Join(r.dir, old), week, week), os.Symlink(secret, filepath.Join(r.dir, r.file.SHA256))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(r.file); err == nil {
		t.Error("a link was followed")
	}
	r.Want("gate", parcel.Wish{File: r.file})
	r.run(t)
	r.comes(t, b)
	if got := names(t, r.dir); len(got) != 2 || !slices.Contains(got, young) || !slices.Contains(got, r.file.SHA256) {
		t.Errorf("left over: %v", got)
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "s" {
		t.Errorf("the secret is %q, %v", text, err)
	}
}

func TestCheck(t *testing.T) {
	good := parcel.File{Name: "car.gate", URL: "https://files.example/car.gate?v=1", SHA256: strings.Repeat("a", 64), Bytes: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	f := func(want string, change func(*parcel.File)) {
		t.Helper()
		bad := good
		change(&bad)
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%+v: got %v, want %q", bad, err, want)
		}
	}
	for _, name := range []string{"", "..", "../x", "a/b", `a\b`, ".hidden-not"[:1], "A.gate", "a b", "a\x00", strings.Repeat("a", 65), "-a"} {
		f("name", func(x *parcel.File) { x.Name = name })
	}
	for _, url := range []string{"", "http://files.example/a", "file:///etc/passwd", "https://", "https://u:hidden@files.example/", "https://files.example/#a", "https://files.example/" + strings.Repeat("a", 2048)} {
		f("url", func(x *parcel.File) { x.URL = url })
	}
	for _, sum := range []string{"", strings.Repeat("A", 64), strings.Repeat("a", 63), "../" + strings.Repeat("a", 61)} {
		f("sha256", func(x *parcel.File) { x.SHA256 = sum })
	}
	for _, n := range []int64{0, -1, parcel.MaxBytes + 1} {
		f("bytes", func(x *parcel.File) { x.Bytes = n })
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("car.gate", "https://files.example/car.gate", strings.Repeat("a", 64), int64(1))
	f.Add("../x", "https://a@b", "..", int64(-1))
	f.Fuzz(func(t *testing.T, name, url, sum string, n int64) {
		file := parcel.File{Name: name, URL: url, SHA256: sum, Bytes: n}
		if file.Check() != nil {
			return
		}
		if filepath.Base(sum) != sum || filepath.Base(name) != name || !filepath.IsLocal(name) || n < 1 || n > parcel.MaxBytes || !strings.HasPrefix(strings.ToLower(url), "https://") {
			t.Errorf("passes: %+v", file)
		}
	})
}
