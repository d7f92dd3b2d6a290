package completion

import (
	"fmt"
	"io"
	"strconv"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// whole is a chunk with all that was said.
func (s *Stream) whole() []byte {
	s.Answer.name()
	out := s.Answer.appendDelta([]byte(`{"choices":[{"delta":`))
	out = s.appendHead(append(out, `,"finish_reason":null,"index":0}],`...))
	return s.appendNoUsage(out)
}

// ending is a chunk that says why the answer ended.
func (s *Stream) ending() []byte {
	s.Answer.name()
	out := inplace.AppendString([]byte(`{"choices":[{"delta":{},"finish_reason":`), s.Answer.Finish)
	out = s.appendHead(append(out, `,"index":0}],`...))
	return s.appendNoUsage(out)
}

func (s *Stream) appendNoUsage(to []byte) []byte {
	if s.usage {
		to = append(to, `,"usage":null`...)
	}
	return append(to, '}')
}

func (s *Stream) usageChunk() []byte {
	out := s.appendHead([]byte(`{"choices":[],`))
	return append(s.Answer.Usage.appendTo(append(out, `,"usage":`...)), '}')
}

// appendHead adds what a chunk of this stream's own says of itself.
func (s *Stream) appendHead(to []byte) []byte {
	a := s.Answer
	to = strconv.AppendInt(append(to, `"created":`...), a.Created, 10)
	to = inplace.AppendString(append(to, `,"id":`...), a.ID)
	to = inplace.AppendString(append(to, `,"model":`...), a.Model)
	return append(to, `,"object":"`+chunkKind+`"`...)
}

// Replay streams a completion that was kept, with usage where that is asked for.
func Replay(completion []byte, usage bool) (*Stream, error) {
	a, err := Parse(completion)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if a.other {
		return nil, fmt.Errorf("replay: %w: it is more than text", fault.ErrBroken)
	}
	s := &Stream{Answer: a, usage: usage, err: io.EOF}
	s.push(s.whole())
	s.push(s.ending())
	if s.usage && a.Usage != nil {
		s.push(s.usageChunk())
	}
	return s, nil
}
