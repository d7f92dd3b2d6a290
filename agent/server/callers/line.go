package callers

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Line is one connection. Requests on it come one after the other (HTTP/1.1),
// so that it can hold who is asking now.
type Line struct {
	name string // uid:1000, or tcp:127.0.0.1
	unix bool
	uid  uint32
	seen bool // the kernel told uid
	now  string
}

type lineKey struct{}

// Connect makes the line of a connection, for http.Server's ConnContext. It
// asks the kernel who is at the other end, once.
func Connect(ctx context.Context, c net.Conn) context.Context {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	line := &Line{name: "tcp"}
	switch c := c.(type) {
	case *net.UnixConn:
		line.unix = true
		line.uid, line.seen = peer(c)
		line.name = "uid:unknown"
		if line.seen {
			line.name = "uid:" + strconv.FormatUint(uint64(line.uid), 10)
		}
	case *net.TCPConn:
		if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err == nil {
			line.name = "tcp:" + host
		}
	}
	return context.WithValue(ctx, lineKey{}, line)
}

// peer is the user id of the process at the other end, ok false where the
// kernel does not say.
func peer(c *net.UnixConn) (uid uint32, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid, ok = cred.Uid, true
		}
	})
	return uid, ok
}

// LineOf is the connection of a request; without [Connect] one of a stranger
// over TCP.
func LineOf(r *http.Request) *Line {
	if line, ok := r.Context().Value(lineKey{}).(*Line); ok {
		return line
	}
	return &Line{name: "tcp"}
}

// Unix tells whether the connection came over the Unix socket.
func (l *Line) Unix() bool { return l.unix }

// Name is who asks: the name of the caller [Book.Admit] let in last, before
// that uid:N or tcp:ADDRESS.
func (l *Line) Name() string {
	if l.now != "" {
		return l.now
	}
	return l.name
}

// operator tells whether the other end could stop the daemon anyway: root, or
// the user it runs as.
func (l *Line) operator() bool {
	return l.unix && l.seen && (l.uid == 0 || int(l.uid) == os.Geteuid())
}
