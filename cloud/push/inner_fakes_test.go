package push

import (
	"context"
	"io"
	"net"
)

// nothing is an outbox that is empty, and delivers to nobody.
type nothing struct{}

func (nothing) Pending(context.Context, int) ([]Note, error) { return nil, nil }
func (nothing) Done(context.Context, ...int64) error         { return nil }
func (nothing) deliver(context.Context, Message)             {}

// reader is a connection that says some bytes and then ends.
type reader struct {
	net.Conn
	says []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.says) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.says)
	r.says = r.says[n:]
	return n, nil
}

func (r *reader) Close() error { return nil }
