package pipe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/wire"
)

var (
	// ErrProtocol says that a broker sent what has no place here.
	ErrProtocol = errors.New("the broker broke the protocol")
	errGoodbye  = errors.New("the broker ended the connection")
)

// Types of MQTT packets that a broker may send here, and the ping that is sent.
const (
	connack = 2
	publish = 3
	puback  = 4
	suback  = 9
	pong    = 13
	goodbye = 14 // not in MQTT 3.1.1, but some say it

	pingRequest = "\xc0\x00"
)

// largest is the most bytes of a packet that are handed on: a message that is
// just too large to be taken, with its topic.
const largest = wire.MaxMessage + 1024

// Guard is a connection to a broker that nobody has to trust. Paho makes room
// for as many bytes as a packet says that it has (256 MB), and an answer with
// too many codes makes it panic; here each packet is looked at before paho sees
// it. A publication that is too large is cut while it is read; anything that
// has no place here ends the connection. Some brokers repeat answers of an
// earlier connection, whose numbers paho gives again: those are left out.
//
// It also knows when something was last sent and heard, pings, and can be ended
// by somebody else with a reason. The client is told no keep-alive, since it
// would wake every 5 s for it; the broker is told that of the guard.
type Guard struct {
	net.Conn
	o Terms

	started atomic.Bool  // the first packet was written
	sent    atomic.Int64 // when, in nanoseconds since begun
	heard   atomic.Int64
	begun   time.Time

	mu    sync.Mutex // guards cause
	cause error      // why it was ended here

	welcomed atomic.Bool // the broker said yes, or no, to the connection

	// Of the reader alone.
	subscribed bool   // the subscriptions were answered
	head       []byte // made ready to be handed on
	body       int    // bytes that follow it
	skip       int    // bytes after those that nobody sees
	scratch    [16]byte
}

// Terms are what a guard holds the connection to.
type Terms struct {
	Alive   time.Duration // keep-alive that the broker is told
	Write   time.Duration // limit of one write
	Filters int           // that are subscribed to at once
}

// Watch puts a guard on a new connection.
func Watch(conn net.Conn, o Terms) *Guard { return &Guard{Conn: conn, o: o, begun: time.Now()} }

// Begun is when the guard was put there.
func (g *Guard) Begun() time.Time { return g.begun }

// Started tells whether anything was sent.
func (g *Guard) Started() bool { return g.started.Load() }

// Welcomed tells whether the broker answered.
func (g *Guard) Welcomed() bool { return g.welcomed.Load() }

// LastSent is when something was last written.
func (g *Guard) LastSent() time.Time { return g.begun.Add(time.Duration(g.sent.Load())) }

// LastHeard is when a packet last came.
func (g *Guard) LastHeard() time.Time { return g.begun.Add(time.Duration(g.heard.Load())) }

// Fail ends the connection for this reason, unless there is one already.
func (g *Guard) Fail(err error) {
	g.mu.Lock()
	if g.cause == nil {
		g.cause = err
	}
	g.mu.Unlock()
	innermost(g.Conn).Close() // a TLS connection might wait to say goodbye
}

// Drop is Fail without a word to the broker: what the kernel holds for it would be
// sent again and again on a link that is down.
func (g *Guard) Drop(err error) {
	if tcp, ok := innermost(g.Conn).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	g.Fail(err)
}

// innermost is the connection below TLS and WebSocket.
func innermost(conn net.Conn) net.Conn {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = outer.NetConn()
	}
}

// Why is the reason of the end: ours, or what the connection said.
func (g *Guard) Why(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return g.cause
	}
	return err
}

// SetWriteDeadline does nothing: each write has a limit of its own.
func (g *Guard) SetWriteDeadline(time.Time) error { return nil }

// Write sends one packet within the limit.
func (g *Guard) Write(p []byte) (int, error) {
	if g.started.CompareAndSwap(false, true) {
		p = announce(p, g.o.Alive)
	}
	g.Conn.SetWriteDeadline(time.Now().Add(g.o.Write))
	n, err := g.Conn.Write(p)
	if err != nil {
		return n, g.Why(err)
	}
	g.sent.Store(int64(time.Since(g.begun)))
	return n, nil
}

// Ping asks for a sign of life.
func (g *Guard) Ping() error {
	_, err := g.Write([]byte(pingRequest))
	return err
}

// announce is the CONNECT packet with this keep-alive: it lies behind the type,
// the length, the name MQTT with its length, the level and the flags.
func announce(connect []byte, alive time.Duration) []byte {
	_, n := binary.Uvarint(connect[1:])
	at := 1 + n + 8
	if n <= 0 || len(connect) < at+2 {
		return connect
	}
	binary.BigEndian.PutUint16(connect[at:], uint16(alive/time.Second))
	return connect
}

// Read hands on what was looked at.
func (g *Guard) Read(p []byte) (int, error) {
	n, err := g.read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, ErrProtocol) || errors.Is(err, errGoodbye) {
		g.Fail(err)
	}
	return n, g.Why(err)
}

func (g *Guard) read(p []byte) (int, error) {
	for len(g.head) == 0 && g.body == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.body)])
	g.body -= n
	return n, err
}

// next reads the beginning of a packet and decides what is handed on of it.
func (g *Guard) next() error {
	if _, err := io.CopyN(io.Discard, g.Conn, int64(g.skip)); err != nil {
		return err
	}
	g.skip = 0
	first, length, err := g.header()
	if err != nil {
		return err
	}
	g.heard.Store(int64(time.Since(g.begun)))
	if first>>4 == publish && g.welcomed.Load() {
		return g.publication(first, length)
	}
	return g.answerTo(first, length)
}

// header reads the type and the length of a packet.
func (g *Guard) header() (first byte, length int, err error) {
	b := g.scratch[:]
	if _, err := io.ReadFull(g.Conn, b[:1]); err != nil {
		return 0, 0, err
	}
	for n := 1; n <= 4; n++ {
		if _, err := io.ReadFull(g.Conn, b[n:n+1]); err != nil {
			return 0, 0, err
		}
		if b[n] < 0x80 {
			u, _ := binary.Uvarint(b[1 : n+1])
			return b[0], int(u), nil
		}
	}
	return 0, 0, fmt.Errorf("%w: a length of more than 4 bytes", ErrProtocol)
}

func (g *Guard) publication(first byte, length int) error {
	if qos := first >> 1 & 3; qos > 1 {
		return fmt.Errorf("%w: a message of quality %d, where at most 1 was asked for", ErrProtocol, qos)
	}
	g.body = min(length, largest)
	g.skip = length - g.body
	g.head = binary.AppendUvarint(append(g.scratch[:0], first), uint64(g.body))
	return nil
}

// answerTo takes in a whole answer: they are short, and each has its length.
func (g *Guard) answerTo(first byte, length int) error {
	kind := first >> 4
	if kind == goodbye {
		return errGoodbye
	}
	want, known := map[byte]int{connack: 2, puback: 2, suback: 2 + g.o.Filters, pong: 0}[kind]
	if !known || g.welcomed.Load() == (kind == connack) {
		return fmt.Errorf("%w: a packet of type %d has no place here", ErrProtocol, kind)
	}
	if length != want {
		return fmt.Errorf("%w: a packet of type %d has %d bytes, want %d", ErrProtocol, kind, length, want)
	}
	b := append(g.scratch[:0], first, byte(length))[:2+length]
	if _, err := io.ReadFull(g.Conn, b[2:]); err != nil {
		return err
	}
	if kind == connack && b[3] > 5 {
		return fmt.Errorf("%w: unknown answer %d to our connection", ErrProtocol, b[3])
	}
	g.welcomed.Store(true)
	g.subscribed = g.subscribed || kind == suback
	if kind == puback && !g.subscribed {
		return nil // nothing was sent yet: it is for a note of an earlier connection, and would pass for an answer to one of this
	}
	g.head = b
	return nil
}
