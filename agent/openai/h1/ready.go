package h1

import (
	"context"
	"net/http"
	"slices"
)

// Ready is a request that posts many bodies: what they have in common is written
// down once. It may be used from any goroutine.
type Ready struct {
	way  *Transport
	req  *http.Request
	addr string
	head []byte // all of it but what a call has of its own
}

// Prepare makes the request ready to be sent with other bodies; nil where it is
// not plain, and goes by RoundTrip. It must stay as it is from here on.
func (t *Transport) Prepare(req *http.Request) *Ready {
	head, err := t.head(req, 0)
	if err != nil || req.Method != http.MethodPost {
		return nil
	}
	return &Ready{t, req, address(req.URL), slices.Clip(head)}
}

// Post sends a body of at most [MaxBody] bytes, and the header of that name if
// it has a value, which must be printable. For the rest it is RoundTrip with a
// request of ctx; replies have the request that was made ready.
func (r *Ready) Post(ctx context.Context, body []byte, name, value string) (*http.Response, error) {
	if err := r.way.enter(ctx); err != nil {
		return nil, err
	}
	text := make([]byte, 0, len(r.head)+len(name)+len(value)+len(body)+len(": \r\n\r\nContent-Length: 12345\r\n\r\n"))
	text = append(text, r.head...)
	if value != "" {
		text = append(append(append(append(text, "\r\n"...), name...), ": "...), value...)
	}
	text = append(appendLength(text, int64(len(body))), "\r\n\r\n"...)
	return r.way.send(&letter{ctx, r.req, r.addr, append(text, body...)})
}
