package h1

import (
	"io"
	"net"
	"syscall"
)

// glance reads what has come, without waiting.
type glance struct {
	raw  syscall.RawConn       // nil where there is no way to
	read func(fd uintptr) bool // into room
	room []byte
	n    int
	err  error
}

func newGlance(to net.Conn) *glance {
	g := &glance{}
	if s, ok := to.(syscall.Conn); ok {
		g.raw, _ = s.SyscallConn()
	}
	g.read = func(fd uintptr) bool {
		g.n, g.err = syscall.Read(int(fd), g.room)
		return true
	}
	return g
}

// into reads into p what has come. Where nothing has, the error is
// [syscall.EAGAIN].
func (g *glance) into(p []byte) (int, error) {
	if g.raw == nil {
		return 0, syscall.EAGAIN
	}
	g.room = p
	if err := g.raw.Read(g.read); err != nil {
		return 0, err
	}
	if g.room = nil; g.n == 0 && g.err == nil {
		return 0, io.EOF
	}
	return max(g.n, 0), g.err
}
