// Package push is the device's end of MQTT: signed bytes in, notes out. It
// trusts no broker: what comes in is bounded and handed on unread, and what goes
// out waits in the outbox until a broker has said that it has it.
//
// One goroutine owns the link. It makes a fresh client for each attempt, waits
// with full jitter between attempts, and ends a connection that does not answer
// in time. Handlers only enqueue; a second goroutine delivers.
package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nearside/cloud/push/pipe"
	"nearside/cloud/wire"
)

// Options say who the device is, where its brokers are, and who takes and brings
// what is sent. Brokers, Tenant, Device, Outbox and Deliver are needed.
type Options struct {
	Brokers  []string // URLs (tls, mqtts, ssl, tcp, mqtt, wss, ws), tried in order at each attempt
	ClientID string   // "" is Device. Never the same on two devices
	Tenant   string
	Ring     string
	Device   string
	Agent    string // version of the program, told with each birth

	TLS          TLS
	User         string
	PasswordFile string                                // read again at each attempt
	Password     func(context.Context) (string, error) // asked at each attempt, where the password is elsewhere; nil: PasswordFile
	Proxy        string                                // http://HOST:PORT for CONNECT, "none"; "" is what the environment says

	Reachable func(host string) bool // false: there is known to be no way to a broker, and nothing is sent; nil is always
	KeepAlive func() time.Duration   // asked at each connection and each ping; nil is 5 minutes
	Outbox    Outbox
	Deliver   func(context.Context, Message)         // one at a time; a command is acknowledged when it returns
	Session   Counter                                // nil: the seconds since 1970
	Tell      func(kind string, data map[string]any) // of one kind at most once a minute
	Log       *slog.Logger

	Pace   Pace                              // zero fields are the defaults
	Jitter func(time.Duration) time.Duration // a random time below this; nil is uniform
}

// TLS says where certificates are. The files are read again at each attempt, so
// that they can be renewed.
type TLS = pipe.TLS

// Message is one that came in: the bytes as they are. Kind is policy or another
// kind of envelope (gate, prices ...), root, or command.
type Message struct {
	Kind     string
	Body     []byte
	Topic    string
	Retained bool // it lay with the broker: it may be older than what came before
}

// Note is one that is to go out. It may arrive more than once.
type Note struct {
	ID     int64  // given by the outbox, never twice
	Topic  string // what follows the device: rep, evt or ack
	Body   []byte
	Retain bool
	Key    string // a later note of this key takes its place; "" is none
}

// Outbox keeps notes until a broker has them. Pending lists the oldest.
type Outbox interface {
	Pending(ctx context.Context, limit int) ([]Note, error)
	Done(ctx context.Context, ids ...int64) error
}

// Counter makes session numbers: each is more than the one before, also of
// before a restart, and at least least.
type Counter func(ctx context.Context, least int64) (int64, error)

// Kinds of what Tell is told.
const (
	TellTakenOver  = "session_taken_over"   // another device uses this one's client id
	TellRefused    = "subscription_refused" // by the broker: topics, hint
	TellTooLarge   = "message_too_large"    // dropped: topic, limit_bytes
	TellForeign    = "message_not_ours"     // dropped: topic
	TellOverflow   = "messages_dropped"     // the inbox was full: topic, dropped
	TellNoResponse = "broker_frozen"        // it did not answer in time, and was left: broker
	TellUntrusted  = "broker_untrusted"     // it did not prove who it is, and was told nothing: broker, why
)

// Status is how the link is, for the daemon's own status.
type Status struct {
	Connected bool
	Broker    string    // of the connection, else of the last attempt
	Session   int64     // of the newest attempt
	Since     time.Time // of the connection, or of its loss; zero before the first
	LastError string    // why the last attempt or connection ended
	NextTry   time.Time // zero while connected
	KeepAlive time.Duration

	Attempts, Connections, TakenOver     uint64   // since the start
	Untrusted                            uint64   // attempts at brokers that did not prove who they are
	Received, Sent                       uint64   // messages taken in, notes acknowledged
	TooLarge, Foreign, Dropped, Replaced uint64   // messages that were not delivered; Replaced ones had a newer one of their topic
	Refused                              []string // filters that the broker would not have
}

// Link is the device's connection to its brokers. Make it with New; Run keeps
// it. Any goroutine may call its methods.
type Link struct {
	o       Options
	brokers []*pipe.Broker
	by      string // of this process, in each birth
	inbox   *inbox
	wake    chan struct{}          // there may be something in the outbox
	online  chan struct{}          // the network came back
	cut     atomic.Pointer[func()] // ends the attempt or connection that is under way

	// Of Run's goroutine alone.
	backoff backoff
	least   int64            // that the next session number has to be
	born    bool             // a birth of this process was acknowledged
	raised  bool             // the number was raised above what lay with the broker; done once
	earlier map[string]int64 // processes whose births lay with the broker before ours did, and their numbers

	mu     sync.Mutex // guards all below
	status Status
	told   map[string]time.Time // when Tell was last told of each kind
}

// New checks the options and connects to nothing. Each error names the setting.
func New(o Options) (*Link, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.fill()
	l := &Link{o: o, by: rand.Text()[:12], inbox: newInbox(), wake: make(chan struct{}, 1), online: make(chan struct{}, 1), told: map[string]time.Time{}, earlier: map[string]int64{}}
	l.backoff.pace = o.Pace
	for _, text := range o.Brokers {
		b, err := pipe.Parse(text, pipe.Options{TLS: o.TLS, Proxy: o.Proxy, Secret: o.PasswordFile != "" || o.Password != nil})
		if err != nil {
			return nil, err
		}
		l.brokers = append(l.brokers, b)
	}
	return l, nil
}

func (o *Options) check() error {
	if len(o.Brokers) == 0 || o.Outbox == nil || o.Deliver == nil {
		return errors.New("mqtt: brokers, an outbox and somebody to deliver to are needed")
	}
	if (o.PasswordFile != "" || o.Password != nil) && o.User == "" {
		return errors.New("mqtt: a password file without a user: give user too")
	}
	for field, name := range map[string]string{"tenant": o.Tenant, "device": o.Device, "ring": cmp.Or(o.Ring, "-"), "client id": cmp.Or(o.ClientID, "-")} {
		if err := wire.CheckName(field, name); err != nil {
			return fmt.Errorf("mqtt: %w", err)
		}
	}
	return nil
}

func (o *Options) fill() {
	o.ClientID = cmp.Or(o.ClientID, o.Device)
	o.Pace.fill()
	if o.KeepAlive == nil {
		o.KeepAlive = func() time.Duration { return usualAlive }
	}
	if o.Reachable == nil {
		o.Reachable = func(string) bool { return true }
	}
	if o.Session == nil {
		o.Session = func(_ context.Context, least int64) (int64, error) { return max(least, time.Now().Unix()), nil }
	}
	if o.Tell == nil {
		o.Tell = func(string, map[string]any) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Jitter == nil {
		o.Jitter = mrand.N[time.Duration]
	}
}

// Wake says that there may be something in the outbox. It never blocks.
func (l *Link) Wake() { poke(l.wake) }

// Online says that the network came back: the next attempt comes within
// Pace.Nudge instead of the wait that is under way. It never blocks.
func (l *Link) Online() { poke(l.online) }

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was told already
	}
}

// Away says that there is no network: what is under way ends at once, and
// nothing more is sent for it. It never blocks.
func (l *Link) Away() {
	if cut := l.cut.Load(); cut != nil {
		(*cut)()
	}
}

// Status is how the link is now.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	status, in := l.status, l.inbox.counts()
	status.Dropped, status.Replaced = in.dropped, in.replaced
	return status
}

// tell tells of one kind at most once a minute: the counts are in the status,
// and a broker is not to fill the device's own records.
func (l *Link) tell(kind string, data map[string]any) {
	l.mu.Lock()
	now := time.Now()
	last, ok := l.told[kind]
	due := !ok || now.Sub(last) >= time.Minute
	if due {
		l.told[kind] = now
	}
	l.mu.Unlock()
	if due {
		l.o.Tell(kind, data)
	}
}

func (l *Link) note(change func(*Status)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.status)
}

// password is what the user goes by, "" when there is none.
func (o *Options) password(ctx context.Context) (string, error) {
	if o.Password != nil {
		return o.Password(ctx)
	}
	if o.PasswordFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("read mqtt.password_file: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("read mqtt.password_file: %s is empty", o.PasswordFile)
	}
	return password, nil
}
