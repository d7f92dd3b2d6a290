package listen_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/server/listen"
)

// given is a listener that has one connection.
type given struct {
	net.Listener
	conn net.Conn
}

func (g given) Accept() (net.Conn, error) { return g.conn, nil }

// way is one direction of a connection.
type way struct {
	call func(c net.Conn) (int, error)
	meet func(other net.Conn) // does what a call waits for, or part of it
	set  func(c net.Conn, t time.Time) error
}

var ways = map[string]way{
	"read": {
		func(c net.Conn) (int, error) { return c.Read(make([]byte, 3)) },
		func(other net.Conn) { other.Write([]byte("x")) },
		net.Conn.SetReadDeadline,
	},
	"write": {
		func(c net.Conn) (int, error) { return c.Write([]byte("abc")) },
		func(other net.Conn) { other.Read(make([]byte, 1)) },
		net.Conn.SetWriteDeadline,
	},
}

// step is one thing that is done with a connection.
type step struct {
	kind string
	d    time.Duration
}

func script(r *rand.Rand) []step {
	all := make([]step, 40)
	for i := range all {
		all[i] = step{
			[]string{"call", "call", "meet", "set", "set", "never", "wait", "wait"}[r.IntN(8)],
			time.Duration(r.IntN(6)-1) * time.Second,
		}
	}
	return all
}

// play performs the steps and tells how and when every call ended. Waits are a
// little longer than seconds, so that no step falls on a deadline.
func play(t *testing.T, w way, steps []step, wrap func(net.Conn) net.Conn) (log []string) {
	synctest.Test(t, func(*testing.T) {
		end, other := net.Pipe()
		c, start := wrap(end), time.Now()
		calls := make(chan bool, 1)
		for _, s := range steps {
			switch s.kind {
			case "call":
				select {
				case calls <- true:
					go func() {
						n, err := w.call(c)
						log = append(log, fmt.Sprint(time.Since(start), n, err))
						<-calls
					}()
				default: // one at a time
				}
			case "meet":
				if len(calls) == 1 {
					w.meet(other)
				}
			case "set":
				_ = w.set(c, time.Now().Add(s.d))
			case "never":
				_ = w.set(c, time.Time{})
			case "wait":
				time.Sleep(max(0, s.d) + time.Millisecond)
			}
			synctest.Wait()
		}
		c.Close()
		synctest.Wait()
	})
	return log
}

// TestDeadlines: whatever deadlines are set and whenever, calls on a connection
// of a bounded listener end as they would on the connection below, and then.
func TestDeadlines(t *testing.T) {
	bare := func(c net.Conn) net.Conn { return c }
	bound := func(c net.Conn) net.Conn {
		held, err := listen.Bound(given{conn: c}, 1).Accept()
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	for name, w := range ways {
		ended := 0
		for seed := range uint64(500) {
			steps := script(rand.New(rand.NewPCG(seed, 1)))
			want, got := play(t, w, steps, bare), play(t, w, steps, bound)
			if ended += len(want); !slices.Equal(got, want) {
				t.Fatalf("%s, seed %d, %v:\ngot  %q\nwant %q", name, seed, steps, got, want)
			}
		}
		if ended < 1000 {
			t.Errorf("%s: only %d calls ended", name, ended)
		}
	}
}
