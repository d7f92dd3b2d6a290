package server

import (
	"io"
	"net/http"
	"sync/atomic"

	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// Bodies up to small need no leave; larger ones take it in steps.
const (
	small = 64 << 10
	step  = 256 << 10
)

// bound keeps the body of the request to its size, and all large ones together
// to theirs, until the function it returns is called.
func (s *Server) bound(w http.ResponseWriter, r *http.Request) (release func()) {
	if len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close") // it may have had a length, too: what follows is not to be trusted
	}
	most := min(maxBody, s.opts.Limits.Bodies) // with little memory one alone may be too large
	if r.ContentLength > most {
		r.Body = tooLarge(most)
		return func() {}
	}
	if r.ContentLength >= 0 && r.ContentLength <= small {
		return func() {}
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	b := &body{ReadCloser: r.Body, taken: &s.bodies, most: s.opts.Limits.Bodies, left: small}
	r.Body = b
	return func() { s.bodies.Add(-b.held) }
}

// tooLarge is a body whose length says that it is larger than this: it is not
// waited for.
type tooLarge int64

func (most tooLarge) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: int64(most)} }
func (tooLarge) Close() error                  { return nil }

// body takes leave for what it reads from what all may hold.
type body struct {
	io.ReadCloser
	taken *atomic.Int64 // by all
	most  int64         // that may be
	held  int64         // of it by this one
	left  int64         // that it may read before it must take more
}

// errCrowded refuses a body while others fill the memory there is for them.
var errCrowded = &fault.Error{
	Status: http.StatusTooManyRequests, Type: "rate_limit_error", Code: replies.QueueFull,
	Message: "Too many large bodies are here at once; ask again in a second.",
}

// reserve takes leave for n bytes more, or for what is left of all that may be:
// no body is larger.
func (b *body) reserve(n int64) error {
	n = min(n, b.most-b.held)
	if b.taken.Add(n) > b.most {
		b.taken.Add(-n)
		return errCrowded
	}
	b.held += n
	b.left += n
	return nil
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if err := b.reserve(step); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// readBody reads a body that [Server.bound] has bounded into memory, in one
// piece where its length is known, since growing takes several times that. What
// a caller merely announces counts against what all may hold.
func readBody(r *http.Request) ([]byte, error) {
	n := r.ContentLength
	if b, ok := r.Body.(*body); ok && n > 0 {
		if err := b.reserve(n); err != nil {
			return nil, err
		}
	}
	if n <= 0 || n > maxBody {
		return io.ReadAll(r.Body)
	}
	text := make([]byte, n)
	_, err := io.ReadFull(r.Body, text)
	return text, err
}
