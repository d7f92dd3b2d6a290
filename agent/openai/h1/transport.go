package h1

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// maxHead bounds the head of a reply, in bytes, where the settings do not.
const maxHead = 64 << 10

// Transport makes calls, as an [http.RoundTripper] does. It may be used from
// any goroutine.
//
// It never asks for compression, and undoes gzip where a server chose it, unless
// the settings are against it. A context that ends ends its call at once, also
// within the body, and the error is then the context's cause. Of the hooks of
// [net/http/httptrace] there are GotConn and GotFirstResponseByte.
type Transport struct {
	rest  *http.Transport // for other requests; its settings are those of both
	shelf shelf
	slots chan struct{} // one for each call that is under way; nil is no bound
}

// New makes calls with the settings of rest, to which all requests go that are
// not plain: with TLS, through a proxy, with a body that is large or of unknown
// length, with a method other than GET and POST, with headers that are more than
// words for the server. Rest is the transport's own from here on.
//
// Where rest bounds the connections of a host, calls to all hosts together hold
// to it, and rest keeps no connections.
func New(rest *http.Transport) *Transport {
	t := &Transport{rest: rest, shelf: shelf{
		all:  rest.MaxIdleConns,
		each: cmp.Or(rest.MaxIdleConnsPerHost, http.DefaultMaxIdleConnsPerHost),
		keep: rest.IdleConnTimeout,
	}}
	if rest.MaxConnsPerHost > 0 {
		t.slots = make(chan struct{}, rest.MaxConnsPerHost)
		rest.DisableKeepAlives = true
	}
	return t
}

// RoundTrip sends the request and returns when the head of the reply is there.
// The body of the reply must be closed, or read to its end.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	text, err := t.compose(req)
	if err != nil && err != errOther {
		return nil, err
	}
	if busy := t.enter(req.Context()); busy != nil {
		closeBody(req)
		return nil, busy
	}
	if err == errOther {
		return t.other(req)
	}
	return t.send(&letter{req.Context(), req, address(req.URL), text})
}

// send makes the call that [Transport.enter] let in.
func (t *Transport) send(l *letter) (*http.Response, error) {
	resp, err := t.call(l)
	if err != nil {
		t.leave()
		if l.ctx.Err() != nil {
			err = context.Cause(l.ctx)
		}
	}
	return resp, err
}

// CloseIdleConnections closes what is kept. Connections of calls that are under
// way are not kept, unless another call is made meanwhile.
func (t *Transport) CloseIdleConnections() {
	t.shelf.clear()
	t.rest.CloseIdleConnections()
}

// call sends the request once, and once more on a connection of its own where
// the one that was kept turned out to be dead.
func (t *Transport) call(l *letter) (*http.Response, error) {
	if c := t.shelf.take(l.addr); c != nil {
		resp, err := c.call(l)
		if err == nil {
			return resp, nil
		}
		var none *unanswered
		if !errors.As(err, &none) || l.ctx.Err() != nil || !none.unsent && !replayable(l.req) {
			return nil, err
		}
	}
	c, err := t.dial(l.ctx, l.addr)
	if err != nil {
		return nil, err
	}
	return c.call(l)
}

func (t *Transport) dial(ctx context.Context, addr string) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dial := t.rest.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	dialing, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a dial tells of a deadline before ctx ends
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	c, err := dial(dialing, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return newConn(t, addr, c), nil
}

// enter waits for a slot.
func (t *Transport) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.slots == nil {
		return nil
	}
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leaver is what frees the slot of a call that has a reply. The end of ctx does
// so as well, for bodies that nobody closes.
func (t *Transport) leaver(ctx context.Context) func() {
	if t.slots == nil {
		return func() {}
	}
	leave := sync.OnceFunc(t.leave)
	free := context.AfterFunc(ctx, leave)
	return func() {
		free()
		leave()
	}
}

func (t *Transport) leave() {
	if t.slots != nil {
		<-t.slots
	}
}
