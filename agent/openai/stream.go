package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Stream is a streamed answer, chunk by chunk, in the shape clients rely on:
// finish_reason is null on every chunk but the last, usage comes only when it
// was asked for and then once, in a chunk of its own after the last choice.
//
// It belongs to one goroutine. Close may be called at any time and more than
// once.
type Stream struct {
	Answer *Answer // all that was read so far, primed chunks too

	read    func() ([]byte, error) // data of the next event; io.EOF at the end
	ends    []func()               // run once, by the first Close
	closed  sync.Once
	usage   bool // the caller asked for usage
	strip   bool // take out log-probabilities the caller did not ask for
	silence *time.Timer
	allowed time.Duration // longest silence; 0 is unbounded
	ready   [][]byte      // shaped, not handed out yet
	err     error         // what comes after ready
}

// Next is the next chunk. After the last one it returns [io.EOF]; a stream
// that ended any other way returns what happened, such as [ErrCut].
func (s *Stream) Next() ([]byte, error) {
	for len(s.ready) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		s.fill()
	}
	chunk := s.ready[0]
	s.ready = s.ready[1:]
	return chunk, nil
}

// Prime reads until n tokens with content came, or the end; n < 0 reads all of
// it. What it read is kept for Next. It returns [ErrEmpty] for a stream that
// ended without saying anything and the fault of one that broke.
func (s *Stream) Prime(n int) error {
	for s.err == nil && (n < 0 || s.Answer.parts < n) {
		s.fill()
	}
	if s.err != nil && s.err != io.EOF {
		return s.err
	}
	if s.err == io.EOF && s.Answer.Empty() {
		return ErrEmpty
	}
	return nil
}

// OnClose has f run when the stream is closed. It must be called before the
// stream is handed to another goroutine.
func (s *Stream) OnClose(f func()) { s.ends = append(s.ends, f) }

// Close ends the stream and what feeds it.
func (s *Stream) Close() {
	s.closed.Do(func() {
		if s.silence != nil {
			s.silence.Stop()
		}
		for _, end := range s.ends {
			end()
		}
	})
}

// Fault is what broke the stream, nil while it is well or when it ended well.
func (s *Stream) Fault() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Ended tells whether the whole answer has been read, primed chunks too.
func (s *Stream) Ended() bool { return s.err == io.EOF }

// fill reads one event into ready, or sets err.
func (s *Stream) fill() {
	if s.silence != nil {
		s.silence.Reset(s.allowed)
		defer s.silence.Stop()
	}
	data, err := s.read()
	switch {
	case string(data) == "[DONE]", err != nil && s.Answer.Finish != "":
		s.finish() // the answer is whole, however the connection ends
	case err == io.EOF:
		s.err = ErrCut
	case err != nil:
		s.err = err
	default:
		s.err = s.take(data)
	}
}

// finish ends a good stream; one that never said why it ended gets a reason.
func (s *Stream) finish() {
	s.err = io.EOF
	if a := s.Answer; a.Finish == "" && (a.ID != "" || a.parts > 0) {
		a.settle()
		s.push(s.chunk(choice{Delta: &message{}, Finish: &a.Finish}))
	}
	if s.usage && s.Answer.Usage != nil {
		s.push(s.usageChunk())
	}
}

// take reads one chunk and queues it in the right shape.
func (s *Stream) take(data []byte) error {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("%w: chunk: %v", ErrBroken, err)
	}
	if e.failed() {
		return streamError(e.Error)
	}
	if s.Answer.Finish != "" {
		e.Choices = nil // after the end only usage counts
	}
	s.Answer.add(&e)
	if len(e.Choices) > 0 {
		s.push(s.shape(data, &e))
	}
	return nil
}

func (s *Stream) push(chunk []byte) { s.ready = append(s.ready, chunk) }

// shape gives back data untouched when it is right already, which is the
// common case for a cloud target; else it is put right field by field, so that
// fields this package does not know stay.
func (s *Stream) shape(data []byte, e *envelope) []byte {
	if s.right(data, e) {
		return data
	}
	var top map[string]json.RawMessage
	var choices []map[string]json.RawMessage
	if json.Unmarshal(data, &top) != nil || json.Unmarshal(top["choices"], &choices) != nil {
		return data
	}
	choices = slices.DeleteFunc(choices, func(c map[string]json.RawMessage) bool { return c == nil })
	for _, c := range choices {
		if f := string(c["finish_reason"]); f == "" || f == `""` {
			c["finish_reason"] = json.RawMessage("null")
		}
		if s.strip {
			delete(c, "logprobs")
		}
	}
	top["choices"] = mustJSON(choices)
	delete(top, "timings")
	delete(top, "usage")
	if s.usage {
		top["usage"] = json.RawMessage("null")
	}
	return mustJSON(top)
}

// right tells whether a chunk can go out as it came. One with a line break in
// it cannot: it would end the event too early.
func (s *Stream) right(data []byte, e *envelope) bool {
	if s.strip || !bytes.Contains(data, []byte(`"finish_reason"`)) || bytes.ContainsAny(data, "\r\n") {
		return false
	}
	for _, c := range e.Choices {
		if c.Finish != nil && *c.Finish == "" {
			return false
		}
	}
	if s.usage {
		return e.Usage == nil && bytes.Contains(data, []byte(`"usage":null`))
	}
	return !bytes.Contains(data, []byte(`"usage"`))
}

// chunk is a chunk of this stream with one choice.
func (s *Stream) chunk(c choice) []byte {
	out := map[string]any{
		"id": s.Answer.ID, "object": "chat.completion.chunk",
		"created": s.Answer.Created, "model": s.Answer.Model, "choices": []any{c.delta()},
	}
	if s.usage {
		out["usage"] = nil
	}
	return mustJSON(out)
}

// delta is the choice as it stands in a chunk, where content is left out when
// there is none.
func (c choice) delta() map[string]any {
	d := map[string]any{}
	if c.Delta.Role != "" {
		d["role"] = c.Delta.Role
	}
	if c.Delta.Content != nil {
		d["content"] = *c.Delta.Content
	}
	if c.Delta.Refusal != nil {
		d["refusal"] = *c.Delta.Refusal
	}
	if len(c.Delta.Calls) > 0 {
		d["tool_calls"] = c.Delta.Calls
	}
	return map[string]any{"index": 0, "delta": d, "finish_reason": c.Finish}
}

func (s *Stream) usageChunk() []byte {
	return mustJSON(map[string]any{
		"id": s.Answer.ID, "object": "chat.completion.chunk", "created": s.Answer.Created,
		"model": s.Answer.Model, "choices": []any{}, "usage": s.Answer.Usage,
	})
}

// streamError reads the error object of an event that came after a 200.
func streamError(raw json.RawMessage) error {
	resp := &http.Response{StatusCode: http.StatusBadGateway}
	body := mustJSON(map[string]json.RawMessage{"error": raw})
	return readError(resp, body, time.Time{})
}

// Replay streams a completion that was kept, in the shape req asks for.
func Replay(completion []byte, req *Request) (*Stream, error) {
	a, err := ParseCompletion(completion)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	s := &Stream{Answer: a, usage: req.IncludeUsage, err: io.EOF}
	s.push(s.chunk(choice{Delta: a.whole()}))
	s.push(s.chunk(choice{Delta: &message{}, Finish: &a.Finish}))
	if s.usage && a.Usage != nil {
		s.push(s.usageChunk())
	}
	return s, nil
}
