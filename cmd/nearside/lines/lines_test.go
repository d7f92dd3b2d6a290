package lines_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cmd/nearside/lines"
)

// TestOrder: all that is logged by many is there at the end, each one's in its order.
func TestOrder(t *testing.T) {
	var out bytes.Buffer
	w := lines.New(&out, func(n int) { t.Errorf("%d lines were left out", n) })
	var all sync.WaitGroup
	for who := range 4 {
		all.Go(func() {
			for i := range 500 {
				fmt.Fprintf(w, "%d %03d\n", who, i)
			}
		})
	}
	all.Wait()
	w.Close(time.Minute)
	next := [4]int{}
	for line := range strings.Lines(out.String()) {
		var who, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &who, &i); err != nil || i != next[who] {
			t.Fatalf("got %q, want line %d of %d: %v", line, next[who], who, err)
		}
		next[who]++
	}
	if next != [4]int{500, 500, 500, 500} {
		t.Errorf("got %v lines, want 500 of each", next)
	}
}

// TestNobodyReads: who logs does not wait, what is left out is told when somebody
// reads again, and the end does not wait either.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, pipe := io.Pipe()
		var log *slog.Logger
		w := lines.New(pipe, func(n int) { log.Warn("left out", "lines", n) })
		log = slog.New(slog.NewTextHandler(w, nil))
		start := time.Now()
		for i := range 10_000 {
			log.Info("something", "i", i)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("logging took %v of waiting", took)
		}
		var got bytes.Buffer
		go func() { _, _ = io.Copy(&got, reader) }()
		synctest.Wait()
		var told int
		i := strings.Index(got.String(), `level=WARN msg="left out"`)
		if i < 0 {
			t.Fatalf("nobody says that lines were left out: %.300s", got.String())
		}
		_, _ = fmt.Sscanf(got.String()[i:], `level=WARN msg="left out" lines=%d`, &told)
		if kept := strings.Count(got.String(), "something"); told == 0 || kept+told != 10_000 || got.Len() > 1<<20 {
			t.Errorf("%d lines are there, %d were left out, of 10000; %d bytes", kept, told, got.Len())
		}
		w.Close(time.Minute)
		pipe.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		reader, pipe := io.Pipe()
		w := lines.New(pipe, nil)
		fmt.Fprintln(w, "one")
		start := time.Now()
		w.Close(time.Second)
		if took := time.Since(start); took != time.Second {
			t.Errorf("the end took %v, want 1 s", took)
		}
		reader.Close()
	})
}
