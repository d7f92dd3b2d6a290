package openai

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

const chatPath = "/chat/completions"

// maxReply bounds the body of a plain reply, in bytes.
const maxReply = 32 << 20

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
	Ignored []string // fields of the request that the target did not get
	Body    []byte   // the plain reply as it goes to the caller; nil for a stream
	Stream  *Stream  // nil for a plain reply
	Answer  *Answer  // what was said so far
	Sure    *float64 // how sure the target says it is, 0 to 1; nil when it says nothing
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

// Client asks one server that speaks the OpenAI wire. It follows no redirects
// and never retries.
type Client struct {
	Base  string // such as https://api.example/v1, without a slash at the end
	Key   string // sent as a bearer token when not empty
	Hide  []byte // taken out of what replies say, since an error may quote it; nothing when it is short
	Trace string // sent as traceparent when not empty
	HTTP  http.RoundTripper

	Header http.Header // sent with every call of [Client.Send]

	ready *http.Request // of chat, see [Client.Prepare]
}

// Shape says how a reply should look for the caller.
type Shape struct {
	Usage   bool          // the caller asked for usage in the stream
	Strip   bool          // take out log-probabilities the caller did not ask for
	Silence time.Duration // longest pause inside the stream; 0 is unbounded
}

// Chat posts a plain request and returns the answer with its body, also with
// [fault.ErrEmpty]. An HTTP error of the server is an [*fault.Error].
func (c *Client) Chat(ctx context.Context, body []byte, shape Shape) (*Answer, []byte, error) {
	resp, err := c.post(ctx, body)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp)
	if err != nil {
		return nil, nil, fault.OfRead(ctx, err)
	}
	text = inplace.Mended(c.hide(text))
	answer, e, err := parseCompletion(text)
	if answer != nil {
		text = answer.reshape(text, e, shape.Strip)
	}
	return answer, text, err
}

// readAll reads the body of a plain reply, in one piece where its length is known.
func readAll(resp *http.Response) ([]byte, error) {
	room := bytes.MinRead
	if n := resp.ContentLength; n > 0 && n <= maxReply {
		room = int(n) + 1 // for the end to be seen
	}
	text := make([]byte, 0, room)
	for len(text) <= maxReply {
		n, err := resp.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case err == io.EOF && len(text) <= maxReply:
			return text, nil
		case err != nil && err != io.EOF:
			return nil, err
		case len(text) == cap(text):
			text = slices.Grow(text, len(text))
		}
	}
	return nil, fmt.Errorf("%w: over %d bytes", fault.ErrBroken, maxReply)
}

// ChatStream posts a streamed request and returns when the headers are there.
// The stream lives until it is closed or ctx ends.
func (c *Client) ChatStream(ctx context.Context, body []byte, shape Shape) (*Stream, error) {
	resp, err := c.post(ctx, body)
	if err != nil {
		return nil, err
	}
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: content type %q for a stream", fault.ErrBroken, kind)
	}
	s := newStream(resp.Body, shape)
	var why atomic.Pointer[error] // the body was closed here
	end := func(err error) {
		why.CompareAndSwap(nil, &err)
		resp.Body.Close()
	}
	s.stalled = func() { end(fault.ErrStalled) }
	s.read = func() ([]byte, error) {
		data, err := s.events.Next()
		if err == nil || err == io.EOF {
			return c.hide(data), err
		}
		if here := why.Load(); here != nil && ctx.Err() == nil {
			return nil, *here
		}
		return nil, fault.OfRead(ctx, err)
	}
	s.OnClose(func() { end(context.Canceled) })
	return s, nil
}

// Ping asks for the list of models, the cheapest question there is. It returns
// nil when an object in JSON came, else what came instead.
func (c *Client) Ping(ctx context.Context) error {
	req, err := c.request(ctx, http.MethodGet, "/models", nil)
	if err != nil {
		return err
	}
	resp, err := c.HTTP.RoundTrip(req)
	if err != nil {
		return fault.OfSend(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refused(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fault.OfRead(ctx, err)
	}
	if inplace.First(bytes.TrimSpace(text)) != '{' || !inplace.Valid(text) {
		return fmt.Errorf("%w: no list of models", fault.ErrBroken)
	}
	return nil
}

// Prepare works out once what all requests of chat have in common, which saves
// a client that is copied for many calls the same for each. Base and Key must
// stay as they are from here on.
func (c *Client) Prepare() {
	plain := *c
	plain.Trace = ""
	if req, err := plain.request(context.Background(), http.MethodPost, chatPath, []byte("{}")); err == nil {
		c.ready = req
	}
}

// chat is a request of chat with that body.
func (c *Client) chat(ctx context.Context, body []byte) (*http.Request, error) {
	if c.ready == nil || len(body) == 0 {
		return c.request(ctx, http.MethodPost, chatPath, body)
	}
	req := c.ready.WithContext(ctx)
	req.GetBody = func() (io.ReadCloser, error) { return newSent(body), nil }
	req.Body, req.ContentLength = newSent(body), int64(len(body))
	if c.Trace != "" {
		req.Header = maps.Clone(req.Header)
		req.Header["Traceparent"] = []string{c.Trace}
	}
	return req, nil
}

// sent is the body of a request.
type sent struct{ bytes.Reader }

func newSent(body []byte) *sent {
	s := &sent{}
	s.Reset(body)
	return s
}

// Close does nothing: it can be read again.
func (*sent) Close() error { return nil }

// post sends the body to chat/completions and returns a 200, else an error.
func (c *Client) post(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := c.chat(ctx, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.HTTP.RoundTrip(req)
	if err != nil {
		return nil, fault.OfSend(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.refused(resp)
}

// refused reads a reply that is no success.
func (c *Client) refused(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return fault.Redirected(resp)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return c.readError(resp, text)
}

// readError is the error without the key, also where JSON escapes were in it.
func (c *Client) readError(resp *http.Response, text []byte) *fault.Error {
	e := fault.OfReply(resp, c.hide(text), time.Now())
	for _, said := range []*string{&e.Message, &e.Type, &e.Param, &e.Code} {
		*said = string(c.hide([]byte(*said)))
	}
	return e
}

// hide takes the key out of a text that its caller may see.
func (c *Client) hide(text []byte) []byte {
	if len(c.Hide) < 8 || !bytes.Contains(text, c.Hide) {
		return text
	}
	return bytes.ReplaceAll(text, c.Hide, []byte("[redacted]"))
}

func (c *Client) request(ctx context.Context, method, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header["Idempotency-Key"] = nil // not sent: a kept connection that is dead is no fault, another is tried
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if c.Trace != "" {
		req.Header.Set("Traceparent", c.Trace)
	}
	return req, nil
}
