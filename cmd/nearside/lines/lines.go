// Package lines writes the lines of a log for a reader who may not read: a pipe
// that is full, a terminal that is held, a disk that is stuck. Whoever logs never
// waits for it. What there is no room for is left out and counted, and the log says
// so once it is read again.
package lines

import (
	"io"
	"sync"
	"time"
)

const (
	room  = 256 << 10 // bytes that may wait to be written
	spare = 16 << 10  // bytes of memory that are kept for the next lines
)

// Writer takes lines and writes them, in their order, in a goroutine of its own.
// Make it with [New]. Its methods may be called from any goroutine.
type Writer struct {
	to   io.Writer
	lost func(lines int)
	more chan struct{} // something waits, or the end has come; room for one
	end  chan struct{} // closed when all is written and no more is taken

	mu      sync.Mutex // guards what follows
	waiting []byte
	left    int // lines that were left out since the last write
	closed  bool
}

// New is a writer to that file. lost is told how many lines were left out, after the
// next ones were written; it may log that.
func New(to io.Writer, lost func(lines int)) *Writer {
	w := &Writer{to: to, lost: lost, more: make(chan struct{}, 1), end: make(chan struct{})}
	go w.run()
	return w
}

// Write takes one line, or leaves it out. It never waits, and never fails.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	if len(w.waiting)+len(line) > room {
		w.left++
	} else if !w.closed {
		w.waiting = append(w.waiting, line...)
	}
	w.mu.Unlock()
	w.knock()
	return len(line), nil
}

// Close has what waits written, for at most so long, and takes no more.
func (w *Writer) Close(within time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.knock()
	select {
	case <-w.end:
	case <-time.After(within):
	}
}

func (w *Writer) knock() {
	select {
	case w.more <- struct{}{}:
	default: // it was said
	}
}

func (w *Writer) run() {
	defer close(w.end)
	var text []byte
	for range w.more {
		var left int
		var last bool
		w.mu.Lock()
		if cap(text) > spare {
			text = nil
		}
		text, w.waiting = w.waiting, text[:0]
		left, w.left = w.left, 0
		last = w.closed
		w.mu.Unlock()
		_, _ = w.to.Write(text) // there is nobody to tell
		if left > 0 {
			w.lost(left)
		}
		if last {
			return
		}
	}
}
