package h1

import (
	"context"
	"io"
	"net/http"
)

// other sends a request the library's way.
func (t *Transport) other(req *http.Request) (*http.Response, error) {
	if t.slots != nil {
		t.shelf.clear() // theirs count as well
	}
	ctx, cancel := context.WithCancel(req.Context())
	resp, err := t.rest.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		t.leave()
		return nil, err
	}
	resp.Request = req
	resp.Body = &leaving{ReadCloser: resp.Body, cancel: cancel, leave: t.leaver(req.Context())}
	return resp, nil
}

// leaving is a body of the library's with whose end the slot of its call is
// free, and nothing hangs on the caller's context any more.
type leaving struct {
	io.ReadCloser
	cancel func() // of the call
	leave  func()
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if err != nil {
		l.leave()
		l.cancel()
	}
	return n, err
}

// Close ends a read that waits, too: the library's own Close would wait for it
// where compression is undone.
func (l *leaving) Close() error {
	defer l.leave()
	l.cancel()
	return l.ReadCloser.Close()
}
