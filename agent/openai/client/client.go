package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/h1"
	"nearside/agent/openai/inplace"
)

const chatPath = "/chat/completions"

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
	plain *h1.Ready     // the same where HTTP takes it plain, else nil
}

// Way is what HTTP may be besides, see [h1.Transport.Prepare].
type Way interface {
	Prepare(*http.Request) *h1.Ready
}

// Chat posts a plain request and returns the answer with its body, also with
// [fault.ErrEmpty]. An HTTP error of the server is an [*fault.Error].
func (c *Client) Chat(ctx context.Context, body []byte, shape completion.Shape) (*completion.Answer, []byte, error) {
	resp, err := c.post(ctx, body)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := readAll(resp)
	if err != nil {
		return nil, nil, fault.OfRead(ctx, err)
	}
	return completion.Read(fault.Redact(text, c.Hide), shape.Strip)
}

// readAll reads the body of a plain reply, in one piece where its length is known.
func readAll(resp *http.Response) ([]byte, error) {
	room := bytes.MinRead
	if n := resp.ContentLength; n > 0 && n <= completion.MaxBytes {
		room = int(n) + 1 // for the end to be seen
	}
	text := make([]byte, 0, room)
	for len(text) <= completion.MaxBytes {
		n, err := resp.Body.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case err == io.EOF && len(text) <= completion.MaxBytes:
			return text, nil
		case err != nil && err != io.EOF:
			return nil, err
		case len(text) == cap(text):
			text = slices.Grow(text, len(text))
		}
	}
	return nil, fmt.Errorf("%w: over %d bytes", fault.ErrBroken, completion.MaxBytes)
}

// ChatStream posts a streamed request and returns when the headers are there. A
// reply that does not say what it is may be a stream; one that says that it is
// something else is [fault.ErrBroken].
// The stream lives until it is closed or ctx ends.
func (c *Client) ChatStream(ctx context.Context, body []byte, shape completion.Shape) (*completion.Stream, error) {
	resp, err := c.post(ctx, body)
	if err != nil {
		return nil, err
	}
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); kind != "" && !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: content type %q for a stream", fault.ErrBroken, kind)
	}
	return completion.Open(ctx, resp.Body, c.Hide, shape), nil
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
// a client that is copied for many calls the same for each. Base, Key and HTTP
// must stay as they are from here on.
func (c *Client) Prepare() {
	first := *c
	first.Trace = ""
	req, err := first.request(context.Background(), http.MethodPost, chatPath, []byte("{}"))
	if err != nil {
		return
	}
	c.ready = req
	if way, ok := c.HTTP.(Way); ok {
		c.plain = way.Prepare(req)
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
	resp, err := c.send(ctx, body)
	if err != nil {
		return nil, fault.OfSend(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.refused(resp)
}

// send makes a call of chat.
func (c *Client) send(ctx context.Context, body []byte) (*http.Response, error) {
	if c.plain != nil && len(body) > 0 && len(body) <= h1.MaxBody {
		return c.plain.Post(ctx, body, "Traceparent", c.Trace)
	}
	req, err := c.chat(ctx, body)
	if err != nil {
		return nil, err
	}
	return c.HTTP.RoundTrip(req)
}

// refused reads a reply that is no success.
func (c *Client) refused(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return fault.Redirected(resp)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return fault.OfReply(resp, text, c.Hide, time.Now())
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

// Send makes a call whose reply is one body, and returns that. Any status of
// success will do; another is an [*fault.Error].
func (c *Client) Send(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	resp, err := c.HTTP.RoundTrip(req)
	if err != nil {
		return nil, fault.OfSend(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refused(resp)
	}
	text, err := readAll(resp)
	if err != nil {
		return nil, fault.OfRead(ctx, err)
	}
	return inplace.Mended(fault.Redact(text, c.Hide)), nil
}
