package shelf_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"nearside/store/file"
	"nearside/store/shelf"
)

// reserve counts how often it was given up.
type reserve struct{ dropped int }

func (r *reserve) Drop()      { r.dropped++ }
func (r *reserve) Lean() bool { return r.dropped > 0 }

// room is a shelf in memory, and what is around it.
type room struct {
	*shelf.Shelf
	file    *file.File
	reserve reserve
	now     time.Time
	wake    chan struct{}
}

// kinds runs the check on a shelf of each kind, in a file of 256 KiB.
func kinds(t *testing.T, check func(t *testing.T, r *room)) {
	for _, name := range []string{"cache", "queue"} {
		t.Run(name, func(t *testing.T) {
			f, err := file.Open(t.Context(), file.Spec{
				Name: name, Quota: 256 << 10, Scripts: os.DirFS(".."), Log: slog.New(slog.DiscardHandler), Now: time.Now,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r := &room{file: f, now: time.UnixMilli(1e12), wake: make(chan struct{}, 1)}
			o := shelf.Options{File: f, Reserve: &r.reserve, Keep: time.Hour, Now: func() time.Time { return r.now }, Wake: r.wake}
			if name == "cache" {
				r.Shelf, err = shelf.Plain(t.Context(), "answers", o)
			} else {
				r.Shelf, err = shelf.Packed(t.Context(), o)
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, r)
		})
	}
}

// put queues a value of now, text made late or at once, in turn.
func (r *room) put(i int, text string) {
	if key := fmt.Sprint(i); i%2 == 0 {
		r.Put(key, []byte(text), r.now.UnixMilli())
	} else {
		r.PutLate(key, r.now.UnixMilli(), func(to []byte) []byte { return append(to, text...) })
	}
}

func (r *room) has(t *testing.T, i int, want string) {
	t.Helper()
	value, at, ok, err := r.Get(t.Context(), fmt.Sprint(i))
	if err != nil || ok != (want != "") || string(value) != want || ok && at != r.now.UnixMilli() {
		t.Errorf("%d: got %.20q of %d, %t, %v; want %.20q", i, value, at, ok, err, want)
	}
}

// TestShelf: a value can be read at once, is written by the writer alone, and is
// the same then.
func TestShelf(t *testing.T) {
	kinds(t, func(t *testing.T, r *room) {
		for i := range 40 {
			r.put(i, fmt.Sprint("value ", i))
		}
		select {
		case <-r.wake:
		default:
			t.Error("the writer does not hear of it")
		}
		for _, waiting := range []int{40, 0} {
			if r.Waiting() != waiting || r.Due() {
				t.Errorf("%d wait, due is %t; want %d", r.Waiting(), r.Due(), waiting)
			}
			for i := range 40 {
				r.has(t, i, fmt.Sprint("value ", i))
			}
			r.has(t, 41, "")
			for r.Flush(t.Context()) {
				if r.Waiting() == 0 {
					t.Error("more is said to wait, and nothing does")
				}
			}
			if n := r.Waiting(); n > 0 {
				t.Errorf("%d waited, and %d still do", waiting, n)
			}
		}
		r.put(7, "another")
		r.Flush(t.Context())
		r.has(t, 7, "another")
		if n := r.file.Stats(false).Rows; n != 40 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestBounds: by age, by room and by size.
func TestBounds(t *testing.T) {
	kinds(t, func(t *testing.T, r *room) {
		r.put(0, "old")
		r.Flush(t.Context())
		r.now = r.now.Add(2 * time.Hour)
		for r.Sweep(t.Context()) {
		}
		r.has(t, 0, "")
		r.put(2, string(make([]byte, 20<<10)))
		r.Flush(t.Context())
		r.has(t, 2, "")
		if s := r.file.Stats(false); s.TooLarge != 1 || s.Evicted != 1 {
			t.Errorf("got %+v", s)
		}
		r.Keep(-1)
		if r.put(3, "nothing is kept"); r.Waiting() != 0 {
			t.Errorf("%d wait", r.Waiting())
		}
		r.Keep(time.Hour)
		for i := range 200 {
			noise := make([]byte, 8<<10)
			for j := range noise {
				noise[j] = byte(uint32(i*8192+j) * 2654435761 >> 24)
			}
			r.put(i, string(noise))
			r.Flush(t.Context())
		}
		if s := r.file.Stats(false); s.Bytes > s.Quota || s.Evicted < 20 || s.State != file.StateMemory {
			t.Errorf("got %+v", s)
		}
		r.has(t, 0, "")
	})
}

// TestDue: the writer hears of the first value that waits, and of a whole batch,
// be it of many values or of large ones: of those there would soon be too many.
func TestDue(t *testing.T) {
	for size, want := range map[int]int{1: 768, 15 << 10: 204} {
		kinds(t, func(t *testing.T, r *room) {
			value, told := make([]byte, size), 0
			for n := 1; n <= want; n++ {
				if r.Put(fmt.Sprint(n), value, r.now.UnixMilli()); len(r.wake) > 0 {
					<-r.wake
					told = n
				}
				if heard := n == 1 || n == want; heard != (told == n) || r.Due() != (n == want) {
					t.Fatalf("%d bytes, %d wait: told %t, due %t", size, n, told == n, r.Due())
				}
			}
		})
	}
}
