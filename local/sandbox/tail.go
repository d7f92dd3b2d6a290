package sandbox

import (
	"bytes"
	"strings"
	"sync"
)

// Tail keeps the end of what a program says until it is closed. It may be used
// from any goroutine; the zero value keeps.
type Tail struct {
	mu   sync.Mutex // guards all below
	text []byte
	off  bool
}

const tailBytes = 600

// Write takes what the program says; it never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.off {
		t.text = append(t.text, b...)
		t.text = t.text[max(0, len(t.text)-tailBytes):]
	}
	return len(b), nil
}

// Close forgets the text and all that follows.
func (t *Tail) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text, t.off = nil, true
}

// All is what is kept.
func (t *Tail) All() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// String is the last line that says something.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(t.text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
