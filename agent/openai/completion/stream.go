package completion

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
	"nearside/agent/openai/sse"
)

// MaxBytes bounds a reply, plain or streamed.
const MaxBytes = 32 << 20

var errSize = fmt.Errorf("%w: stream over %d bytes", fault.ErrBroken, MaxBytes)

// A server that said why it ended may leave the connection open: it gets this
// long to say more, and no time to speak of once it told the usage.
const (
	lastWords  = 2 * time.Second
	lastBreath = 100 * time.Millisecond
)

// Shape says how a reply should look for the caller.
type Shape struct {
	Usage   bool          // the caller asked for usage in the stream
	Strip   bool          // take out log-probabilities the caller did not ask for
	Silence time.Duration // longest pause inside the stream; 0 is unbounded
}

// Stream is a streamed answer, chunk by chunk, in the shape clients rely on:
// finish_reason is null on every chunk but the last, usage comes only when it
// was asked for and then once, in a chunk of its own after the last choice.
//
// It belongs to one goroutine. Close may be called at any time and more than
// once.
type Stream struct {
	Answer *Answer // all that was read so far, primed chunks too
	Idle   func()  // when set, called by Next before it may have to wait for more

	ctx     context.Context // of the call: its cause is the fault when it ends
	body    io.ReadCloser
	why     atomic.Pointer[error] // that the body was closed here
	secret  []byte                // taken out of what comes
	events  sse.Events            // read from body
	ends    []func()              // run once, by the first Close
	closed  sync.Once
	usage   bool          // the caller asked for usage
	strip   bool          // take out log-probabilities the caller did not ask for
	alarm   *time.Timer   // ends a read that takes too long, from the first time that it may be needed
	allowed time.Duration // longest silence; 0 is unbounded
	listens bool          // the alarm is set
	given   bool          // handed out: Next was called
	size    int           // bytes of all events, as they came or as they went on, whichever is more
	event   envelope      // the latest chunk as it was read
	ready   [][]byte      // shaped, not handed out yet
	last    []byte        // the final chunk, held back until nothing can follow
	spoke   bool          // on after it said why it ended
	counted bool          // usage came after the end
	err     error         // what comes after ready

	room struct { // of the few that most have
		ready [1][]byte
		ends  [2]func()
	}
}

// Open begins to read a stream of a target, which lives until it is closed or ctx
// ends. The secret is taken out of it, as [fault.Redact] does.
func Open(ctx context.Context, body io.ReadCloser, secret []byte, shape Shape) *Stream {
	s := &Stream{
		Answer: &Answer{}, ctx: ctx, body: body, secret: secret, usage: shape.Usage, strip: shape.Strip, allowed: shape.Silence,
	}
	s.events.In = (*waiting)(s)
	s.ready, s.ends = s.room.ready[:0], s.room.ends[:0]
	return s
}

// waiting is a stream as its events read from it: they ask for more only when
// they have no whole line left.
type waiting Stream

func (w *waiting) Read(p []byte) (int, error) {
	if w.Idle != nil {
		w.Idle()
	}
	(*Stream)(w).listen()
	return w.body.Read(p)
}

// Next is the next chunk. After the last one it returns [io.EOF]; a stream
// that ended any other way returns what happened, such as [fault.ErrCut].
func (s *Stream) Next() ([]byte, error) {
	s.given = true
	for len(s.ready) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		s.fill()
	}
	chunk := s.ready[0]
	if s.ready = s.ready[1:]; len(s.ready) == 0 {
		s.ready = s.room.ready[:0]
	}
	return chunk, nil
}

// Prime reads until n tokens came, of thought or of content, or the end; n < 0
// reads all of it. What it read is kept for Next. It returns [fault.ErrEmpty] for a
// stream that ended without saying anything and the fault of one that broke.
// Silence is no fault yet: how long Prime may take is bounded by the context.
func (s *Stream) Prime(n int) error {
	for s.err == nil && (n < 0 || s.Answer.parts < n) {
		s.fill()
	}
	if s.err != nil && s.err != io.EOF {
		return s.err
	}
	if s.err == io.EOF && s.Answer.Empty() {
		return fault.ErrEmpty
	}
	return nil
}

// OnClose has f run when the stream is closed. It must be called before the
// stream is handed to another goroutine.
func (s *Stream) OnClose(f func()) { s.ends = append(s.ends, f) }

// Close ends the stream and what feeds it, so that a read that waits comes back.
func (s *Stream) Close() {
	s.closed.Do(func() {
		s.end(context.Canceled)
		for _, end := range s.ends {
			end()
		}
	})
}

// end closes what feeds the stream; the first reason counts.
func (s *Stream) end(why error) {
	if s.body != nil { // else it was kept
		s.why.CompareAndSwap(nil, &why)
		s.body.Close()
	}
}

func (s *Stream) stall() { s.end(fault.ErrStalled) }

// read is the data of the next event; [io.EOF] at the end.
func (s *Stream) read() ([]byte, error) {
	data, err := s.events.Next()
	if err == nil || err == io.EOF {
		return fault.Redact(data, s.secret), err
	}
	if why := s.why.Load(); why != nil && s.ctx.Err() == nil {
		return nil, *why
	}
	return nil, fault.OfRead(s.ctx, err)
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
	s.listens = false
	data, err := s.read()
	if s.listens {
		s.alarm.Stop()
	}
	done := string(bytes.TrimSpace(data)) == "[DONE]"
	if err == nil && !done {
		err = s.take(data)
	}
	switch said := s.Answer.Finish != ""; {
	case done, said && err == io.EOF, said && !s.spoke && err != nil:
		s.finish() // the answer is whole, however the connection ends
	case err == io.EOF:
		s.err = fault.ErrCut
	default:
		s.err = err
	}
}

// listen sets the alarm, once for each event that is waited for. It begins when
// nothing is left to be handed on, so that a slow reader does not count as the
// silence of the target.
func (s *Stream) listen() {
	limit := s.patience()
	if limit <= 0 || s.listens {
		return
	}
	s.listens = true
	if s.alarm == nil {
		s.alarm = time.AfterFunc(limit, s.stall)
		return
	}
	s.alarm.Reset(limit)
}

// patience is how long the next read may take; 0 is unbounded.
func (s *Stream) patience() time.Duration {
	switch {
	case s.Answer.Finish != "" && s.counted:
		return lastBreath
	case s.Answer.Finish != "" && !s.spoke:
		return lastWords
	case s.given:
		return s.allowed
	}
	return 0
}

// finish ends a good stream; one that never said why it ended gets a reason.
func (s *Stream) finish() {
	s.err = io.EOF
	if a := s.Answer; s.last == nil && (a.ID != "" || a.parts > 0) {
		a.settle()
		s.last = s.ending()
	}
	if s.last != nil {
		s.push(s.last)
	}
	if s.usage && s.Answer.Usage != nil {
		s.push(s.usageChunk())
	}
}

// take reads one chunk and queues it in the right shape.
func (s *Stream) take(data []byte) error {
	if s.size += len(data); s.size > MaxBytes {
		return errSize
	}
	data, e := inplace.Mended(data), &s.event
	if err := e.read(data); err != nil {
		return fmt.Errorf("chunk: %w", err)
	}
	if e.failed() {
		return fault.OfEvent(e.Error)
	}
	flatten(data)
	ended := s.Answer.Finish != ""
	i, err := s.Answer.add(e)
	switch {
	case err != nil:
		return err
	case i >= 0:
		s.queue(&chunk{data, e, i}, ended)
	default:
		s.counted = ended && inplace.First(e.Usage) == '{'
	}
	if s.size > MaxBytes { // as it went on
		return errSize
	}
	return nil
}

// flatten puts blanks in the place of line breaks, which would end the event too
// early. In valid JSON they are nothing but white space.
func flatten(data []byte) {
	for _, end := range [...]byte{'\n', '\r'} {
		for at := 0; at < len(data); at++ {
			next := bytes.IndexByte(data[at:], end)
			if next < 0 {
				break
			}
			at += next
			data[at] = ' '
		}
	}
}

// queue hands a chunk on. The end is held back, since some servers say it with
// every chunk; a chunk that says nothing after the end is left out.
func (s *Stream) queue(c *chunk, ended bool) {
	finish := reason(c.choice().Finish)
	switch {
	case finish == "" && !ended:
		s.push(s.shape(c, "null"))
	case c.choice().message.says:
		s.spoke = ended
		s.last = nil
		s.push(s.shape(c, "null"))
	case finish != "":
		s.Answer.settle()
		s.last = s.shape(c, string(inplace.AppendString(nil, s.Answer.Finish)))
	}
}

func (s *Stream) push(chunk []byte) { s.ready = append(s.ready, chunk) }
