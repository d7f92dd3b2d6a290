package h1_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// counted is a context that counts what hangs on it.
type counted struct {
	context.Context
	over    chan struct{}
	hanging *atomic.Int32
}

func (c counted) Done() <-chan struct{} { return c.over }

// AfterFunc is asked for by contexts made of this one.
func (c counted) AfterFunc(func()) (stop func() bool) {
	c.hanging.Add(1)
	return func() bool { c.hanging.Add(-1); return true }
}

// TestOtherLeavesNothing: a call that goes the library's way leaves nothing on the
// context of its caller, which may live long, once its body is read or closed.
func TestOtherLeavesNothing(t *testing.T) {
	s, tr := serve(t, always(ok)), near(t)
	for name, end := range map[string]func(io.ReadCloser){
		"read":   func(b io.ReadCloser) { _, _ = io.Copy(io.Discard, b) },
		"closed": func(b io.ReadCloser) { b.Close() },
	} {
		var hanging atomic.Int32
		ctx := counted{context.Background(), make(chan struct{}), &hanging}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.addr, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if hanging.Load() == 0 {
			t.Errorf("%s: nothing hangs on the context of a call that is under way", name)
		}
		end(resp.Body)
		if n := hanging.Load(); n != 0 {
			t.Errorf("%s: %d hang on the context", name, n)
		}
		resp.Body.Close()
	}
}
