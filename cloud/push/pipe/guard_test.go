package pipe

import (
	"io"
	"net"
	"testing"
	"time"
)

// FuzzGuard: whatever a broker says, no more is handed on than fits, and
// nothing panics.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("\x20\x02\x00\x00\x90\x09\x00\x01\x01\x01\x01\x01\x01\x01\x01\x30\x04\x00\x01ab\xd0\x00\x40\x02\x00\x01"))
	f.Fuzz(func(t *testing.T, says []byte) {
		g := Watch(&reader{says: says}, Terms{Filters: 7, Alive: time.Minute, Write: time.Second})
		for b := make([]byte, 64); ; {
			if _, err := g.Read(b); err != nil {
				return
			}
			if g.body > largest || len(g.head) > len(g.scratch) {
				t.Fatalf("%d and %d bytes are handed on", len(g.head), g.body)
			}
		}
	})
}

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
