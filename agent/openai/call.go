package openai

import (
	"time"

	"nearside/agent/openai/completion"
)

// Call is one question to targets: what is asked, who may answer in which
// order, and how long they have.
type Call struct {
	Request *Request
	ID      string                  // of what is asked, the same for every attempt
	Targets []string                // local/NAME or cloud/NAME, best first
	Hold    int                     // tokens of a stream to read before it is given out; -1 is all
	Budget  time.Duration           // until the last byte of a plain reply or the held tokens of a stream
	Attempt time.Duration           // for one attempt while another target is left
	Silence time.Duration           // longest pause inside a stream
	Once    bool                    // every target is asked at most once
	Check   func(body []byte) error // judges the body of a reply that is not chat; nil: any will do
	Trace   func() string           // makes the traceparent of one attempt in the cloud; nil is none
	Tried   func(Attempt)           // told of every attempt when it ends; from any goroutine
}

// Attempt is one call to one target, as a decision record shows it.
type Attempt struct {
	Target string
	Start  time.Time
	Took   time.Duration
	Result string // ok, timeout, refused, status_503, broken, empty, cut, cancelled, down, tls, crashed
	Err    error
}

// Reply is an answer that has begun well: a whole plain answer, or a stream
// whose held tokens are there.
type Reply struct {
	Target  string
	Ignored []string           // fields of the request that the target did not get
	Body    []byte             // the plain reply as it goes to the caller; nil for a stream
	Stream  *completion.Stream // nil for a plain reply
	Answer  *completion.Answer // what was said so far
	Sure    *float64           // how sure the target says it is, 0 to 1; nil when it says nothing
}

// Close ends a streamed reply; for a plain one it does nothing.
func (r *Reply) Close() {
	if r.Stream != nil {
		r.Stream.Close()
	}
}

// OnClose has f run when the reply is over: at once for a plain one.
func (r *Reply) OnClose(f func()) {
	if r.Stream == nil {
		f()
		return
	}
	r.Stream.OnClose(f)
}
