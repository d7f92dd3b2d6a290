package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"nearside/cloud/push/pipe"
	"nearside/cloud/wire"
)

const (
	inFlight      = 16       // notes that wait for an answer, at most
	inFlightBytes = 32 << 10 // likewise, but one may be larger
	atLeastOnce   = 1        // quality of service of everything
	leaveWithin   = time.Second
	handOver      = 2 * time.Second // until paho has taken a note
)

// session is one connection, from its attempt to its end. Run's goroutine owns
// it; paho's only write to the channels.
type session struct {
	*Link
	number int64
	topics []string // that are subscribed to
	client mqtt.Client
	guard  *pipe.Guard
	live   atomic.Pointer[pipe.Guard] // the same, for other goroutines
	alive  time.Duration

	settled atomic.Bool // the attempt is over, and so is its limit

	lost   chan struct{}   // closed when the connection was lost and paho is done with it
	reason error           // why; to be read once lost is closed
	births chan wire.Birth // what is said of this device's state
	flight []flying        // notes without an answer, oldest first
	born   bool            // there was a birth of this process before this session
	taken  bool            // another device used the client id
	pinged time.Time       // newest ping of ours
	rest   time.Time       // the outbox failed: it is left alone until then
}

// flying is a note that was sent.
type flying struct {
	id    int64 // 0: a birth, which is not of the outbox
	bytes int
	at    time.Time
	token mqtt.Token
}

// connect makes a connection to a broker within the limit, or says why not. The
// session tells how far it came.
func (l *Link) connect(ctx context.Context, b *pipe.Broker, number int64) (*session, error) {
	s := &session{Link: l, number: number, alive: aliveOf(l.o.KeepAlive), lost: make(chan struct{}), births: make(chan wire.Birth, 8), born: l.born}
	s.topics = append(wire.DeviceFilters(l.o.Tenant, l.o.Ring, l.o.Device), s.ours(wire.State))
	password, err := l.o.password(ctx)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.Pace.Connect)
	defer cancel()
	cut := func() { cancel(); s.drop() }
	l.cut.Store(&cut)
	var dialled error // paho tells it in its own words
	options := s.options(b, password)
	options.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		dialled = s.dial(ctx, b)
		if dialled != nil {
			return nil, dialled
		}
		return s.guard, nil
	})
	s.client = mqtt.NewClient(options)
	if err := s.welcome(ctx); err != nil {
		return s, s.explain(either(dialled, err))
	}
	return s, nil
}

func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// dial is called by paho, once, before its token is complete.
func (s *session) dial(ctx context.Context, b *pipe.Broker) error {
	conn, err := b.Open(ctx)
	if err != nil {
		return err
	}
	s.guard = pipe.Watch(conn, pipe.Terms{Alive: s.alive, Write: s.o.Pace.Answer, Filters: len(s.topics)})
	s.live.Store(s.guard)
	context.AfterFunc(ctx, func() {
		if !s.settled.Load() {
			s.guard.Fail(fmt.Errorf("%w to our connection in time", errFrozen))
		}
	})
	return nil
}

// welcome waits for the broker's yes and for its answer to the subscriptions.
func (s *session) welcome(ctx context.Context) error {
	token := s.client.Connect()
	<-token.Done() // its parts end with ctx
	if err := token.Error(); err != nil {
		return err
	}
	granted, err := s.subscribe(ctx)
	if err == nil && !s.settled.CompareAndSwap(false, true) {
		err = errFrozen // while this was found out
	}
	if err != nil {
		s.end(err)
		return s.guard.Why(err)
	}
	s.refusals(granted)
	return nil
}

// subscribe says what the broker grants. One that grants nothing at all is asked
// again: some refuse a request whose number they gave to a message themselves.
func (s *session) subscribe(ctx context.Context) (granted map[string]byte, err error) {
	filters := map[string]byte{}
	for _, topic := range s.topics {
		filters[topic] = atLeastOnce
	}
	for range 3 {
		token := s.client.SubscribeMultiple(filters, nil).(*mqtt.SubscribeToken)
		select {
		case <-token.Done():
		case <-s.lost:
			return nil, s.reason
		case <-ctx.Done():
		}
		if err := either(ctx.Err(), token.Error()); err != nil {
			return nil, err
		}
		granted = token.Result()
		if len(s.refused(granted)) < len(s.topics) {
			break
		}
	}
	return granted, nil
}

// refused are the topics that were not granted.
func (s *session) refused(granted map[string]byte) (list []string) {
	for _, topic := range s.topics {
		if quality, ok := granted[topic]; !ok || quality > atLeastOnce {
			list = append(list, topic)
		}
	}
	return list
}

// options are those of a client for one connection. What paho would write down
// or do again goes nowhere: the outbox is ours.
func (s *session) options(b *pipe.Broker, password string) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.AddBroker("tcp://" + b.Address())
	o.SetClientID(s.o.ClientID).SetProtocolVersion(4).SetCleanSession(false).SetResumeSubs(false)
	o.SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(s.o.Pace.Connect)
	o.SetOrderMatters(false).SetAutoAckDisabled(true).SetDefaultPublishHandler(s.receive)
	o.SetKeepAlive(0) // the guard pings
	o.SetWriteTimeout(handOver).SetStore(nowhere{})
	o.SetUsername(s.o.User).SetPassword(password)
	o.SetBinaryWill(s.ours(wire.State), s.state(false), atLeastOnce, true)
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) {
		s.reason = err
		close(s.lost)
	})
	return o
}

// ours is a topic of this device.
func (l *Link) ours(what wire.What) string {
	return wire.Topic{Tenant: l.o.Tenant, What: what, Device: l.o.Device}.String()
}

// state is the birth, or the will, with the number of this session.
func (s *session) state(online bool) []byte {
	b := wire.Birth{Session: s.number, Online: online, By: s.by}
	if online {
		now := time.Now().UTC().Truncate(time.Second)
		b.At, b.Agent, b.Ring = &now, s.o.Agent, s.o.Ring
	}
	text, _ := json.Marshal(b) // plain values: it cannot fail
	return text
}

// refusals tells what the broker would not have. The link stays: what it does
// have may be enough to be steered, or to report.
func (s *session) refusals(granted map[string]byte) {
	refused := s.refused(granted)
	s.note(func(st *Status) { st.Refused = refused })
	if len(refused) == 0 {
		return
	}
	const hint = "let the user of this device read these topics: see the access lists in build/mqtt"
	s.o.Log.Warn("the broker refuses subscriptions", "topics", refused, "hint", hint)
	s.tell(TellRefused, map[string]any{"topics": refused, "hint": hint})
}

// end closes the connection for this reason and waits until paho has let go of
// it.
func (s *session) end(why error) {
	s.guard.Fail(why)
	t := time.NewTimer(leaveWithin)
	defer t.Stop()
	select {
	case <-s.lost:
	case <-t.C:
		s.client.Disconnect(0)
	}
}

// leave says goodbye: the state is that the device is offline, as the will
// would have it.
func (s *session) leave() {
	said := s.client.Publish(s.ours(wire.State), atLeastOnce, true, s.state(false))
	said.WaitTimeout(leaveWithin)
	s.client.Disconnect(uint(leaveWithin / time.Millisecond))
	s.guard.Fail(net.ErrClosed)
}

// drop ends the connection without a word; any goroutine may.
func (s *session) drop() {
	if g := s.live.Load(); g != nil {
		g.Drop(errAway)
	}
}

// nowhere keeps nothing of what paho would write down.
type nowhere struct{}

func (nowhere) Open()                             {}
func (nowhere) Put(string, packets.ControlPacket) {}
func (nowhere) Get(string) packets.ControlPacket  { return nil }
func (nowhere) All() []string                     { return nil }
func (nowhere) Del(string)                        {}
func (nowhere) Close()                            {}
func (nowhere) Reset()                            {}

// explain adds to an error what can be done. Under TLS 1.3 a broker refuses a
// certificate only after the handshake, by an alert or by hanging up.
func (s *session) explain(err error) error {
	alert, isAlert := errors.AsType[*net.OpError](err)
	switch text := err.Error(); {
	case errors.Is(err, errFrozen), errors.Is(err, pipe.ErrProtocol), s.guard == nil:
		return err
	case text == "not Authorized", text == "bad user name or password":
		return fmt.Errorf("the broker refuses this device: %w (see user, password_file and cert, and the broker's access list)", err)
	case isAlert && alert.Op == "remote error":
		return fmt.Errorf("the broker refuses our certificate, or wants one (see mqtt.cert): %w", alert)
	case !s.guard.Welcomed():
		return fmt.Errorf("the broker hung up; it may refuse our certificate, or want one: %w", err)
	}
	return err
}
