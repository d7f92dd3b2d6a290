package openai

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxEvent bounds one server-sent event, in bytes.
const maxEvent = 8 << 20

// Events reads server-sent events whose lines end in LF or CRLF.
type Events struct {
	Comment func(text string) // told of comments, when set

	lines *bufio.Scanner
	begun bool
}

// NewEvents reads events from r; it buffers, so r belongs to it from here on.
func NewEvents(r io.Reader) *Events {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), maxEvent)
	return &Events{lines: s}
}

// Next is the data of the next event that has some. Comments and other fields
// are passed over. At the end of the input it returns [io.EOF]; an event that
// was not closed by an empty line is lost, as the standard wants. An event
// that is too long is [ErrBroken].
func (e *Events) Next() ([]byte, error) {
	var data []byte
	seen := false
	for e.lines.Scan() {
		line := e.lines.Bytes()
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
			return nil, fmt.Errorf("%w: event over %d bytes", ErrBroken, maxEvent)
		}
	}
	switch err := e.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: line over %d bytes", ErrBroken, maxEvent)
	case err != nil:
		return nil, err
	}
	return nil, io.EOF
}

func (e *Events) comment(line []byte) {
	if text, ok := bytes.CutPrefix(line, []byte(":")); ok && e.Comment != nil {
		e.Comment(string(bytes.TrimSpace(text)))
	}
}
