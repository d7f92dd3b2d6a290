package sse

import (
	"bytes"
	"fmt"
	"io"

	"nearside/agent/openai/fault"
)

// maxEvent bounds one server-sent event, in bytes; firstRoom is what is set
// aside for those that come first.
const (
	maxEvent  = 8 << 20
	firstRoom = 2 << 10
)

// maxEmpty is how often a reader may give nothing, and no error, in a row.
const maxEmpty = 100

// Events reads server-sent events whose lines end in LF or CRLF. It is ready
// with its In.
type Events struct {
	In      io.Reader         // read from; it buffers, so that it belongs to it from here on
	Comment func(text string) // told of comments, when set

	text  []byte // what was read
	at    int    // how much of it was taken
	seen  int    // how much of it holds no further end of a line
	err   error  // what comes after it
	begun bool
}

// Next is the data of the next event that has some. Comments and other fields
// are passed over. At the end of the input it returns [io.EOF]; an event that
// was not closed by an empty line is lost, as the standard wants. An event
// that is too long is [fault.ErrBroken].
func (e *Events) Next() ([]byte, error) {
	var data []byte
	seen := false
	for {
		line, ok := e.line()
		if !ok {
			return nil, e.err
		}
		if !e.begun {
			line, e.begun = bytes.TrimPrefix(line, []byte("\uFEFF")), true
		}
		if len(line) == 0 {
			if len(data) > 0 {
				return data, nil
			}
			seen = false
			continue
		}
		field, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			e.comment(line)
			continue
		}
		if seen {
			data = append(data, '\n')
		}
		data = append(data, bytes.TrimPrefix(field, []byte(" "))...)
		seen = true
		if len(data) > maxEvent {
			return nil, fmt.Errorf("%w: event over %d bytes", fault.ErrBroken, maxEvent)
		}
	}
}

// line is the next line without its end, where it lies until the one after it is
// asked for; false when there is none. What is left at the end of the input is
// one, too.
func (e *Events) line() ([]byte, bool) {
	for {
		e.seen = max(e.seen, e.at)
		line, n := e.text[e.at:], bytes.IndexByte(e.text[e.seen:], '\n')
		switch {
		case n >= 0:
			line = e.text[e.at : e.seen+n]
			e.at++
		case e.err == nil:
			e.seen = len(e.text) // a long line may come byte by byte
			e.more()
			continue
		case len(line) == 0:
			return nil, false
		}
		e.at += len(line)
		return bytes.TrimSuffix(line, []byte("\r")), true
	}
}

// more reads on, or sets err.
func (e *Events) more() {
	if e.at > 0 {
		e.seen -= e.at
		e.text, e.at = e.text[:copy(e.text, e.text[e.at:])], 0
	}
	if len(e.text) == maxEvent {
		e.text, e.seen, e.err = nil, 0, fmt.Errorf("%w: line over %d bytes", fault.ErrBroken, maxEvent)
		return
	}
	if len(e.text) == cap(e.text) {
		e.text = append(make([]byte, 0, max(firstRoom, 2*cap(e.text))), e.text...)
	}
	for range maxEmpty {
		n, err := e.In.Read(e.text[len(e.text):cap(e.text)])
		if e.text, e.err = e.text[:len(e.text)+n], err; n > 0 || err != nil {
			return
		}
	}
	e.err = io.ErrNoProgress
}

func (e *Events) comment(line []byte) {
	if text, ok := bytes.CutPrefix(line, []byte(":")); ok && e.Comment != nil {
		e.Comment(string(bytes.TrimSpace(text)))
	}
}
