// Package broker is an operator's session with an MQTT broker: of short life, as
// long as a command runs, and without memory. It trusts the broker with nothing:
// what comes in is handed on as bytes of strangers, and what is told of failures
// says what could be done about them.
package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrAbsent is that no broker answers at the address.
var ErrAbsent = errors.New("no broker answers")

// ErrLost is that the connection ended before its time.
var ErrLost = errors.New("the connection to the broker was lost")

// Options say where the broker is and who is calling.
type Options struct {
	URL          string // tls, mqtts, ssl, tcp, mqtt, wss, ws
	CA           string // file; "" is what the system trusts
	Cert, Key    string // files of the client's certificate, both or none
	User         string
	PasswordFile string
	Timeout      time.Duration // of the connection and of each answer; 0 is 15 s
}

// usualTimeout is how long a broker may take to answer.
const usualTimeout = 15 * time.Second

var schemes = []string{"tls", "mqtts", "ssl", "tcp", "mqtt", "wss", "ws"}

// Check says what is wrong with the options and the files they name, by the
// names of their flags.
func (o *Options) Check() error {
	if err := o.check(); err != nil {
		return err
	}
	_, err := o.client(nil)
	return err
}

func (o *Options) check() error {
	u, err := url.Parse(o.URL)
	switch {
	case o.URL == "":
		return errors.New("--broker is missing, such as tls://broker.example:8883")
	case err != nil || !slices.Contains(schemes, u.Scheme) || u.Host == "":
		return fmt.Errorf("--broker %q is no address of a broker; give one such as tls://broker.example:8883 (%s)", bare(o.URL), strings.Join(schemes, ", "))
	case u.User != nil:
		return errors.New("--broker must not hold a password; give --user and --password-file")
	case (o.Cert == "") != (o.Key == ""):
		return errors.New("--cert and --cert-key go together")
	case o.PasswordFile != "" && o.User == "":
		return errors.New("--password-file without --user")
	}
	return nil
}

// bare is an address without what may be a password.
func bare(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[i+1:]
	}
	return s
}

// Handler takes a message that came in. It is called from one goroutine and must
// not wait for the session. An empty body means that nothing is retained there.
type Handler func(topic string, body []byte, retained bool)

// Session is a connection. Its methods may be called from any goroutine.
type Session struct {
	client  mqtt.Client
	timeout time.Duration
	lost    chan struct{}
}

// Dial connects. Where no broker answers the error is [ErrAbsent].
func Dial(ctx context.Context, o Options, handle Handler) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = usualTimeout
	}
	s := &Session{timeout: o.Timeout, lost: make(chan struct{})}
	settings, err := o.client(handle)
	if err != nil {
		return nil, err
	}
	settings.SetConnectionLostHandler(func(mqtt.Client, error) { close(s.lost) })
	s.client = mqtt.NewClient(settings)
	token := s.client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
		s.client.Disconnect(0)
		return nil, context.Cause(ctx)
	}
	if err := token.Error(); err != nil {
		return nil, o.explain(err)
	}
	return s, nil
}

// client makes the settings of the MQTT library: one attempt, nothing kept.
func (o *Options) client(handle Handler) (*mqtt.ClientOptions, error) {
	s := mqtt.NewClientOptions().AddBroker(o.URL).SetClientID("nearside-op-" + rand.Text()[:12]).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(o.Timeout).SetWriteTimeout(o.Timeout).SetPingTimeout(o.Timeout).SetKeepAlive(30 * time.Second).
		SetOrderMatters(true)
	s.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { handle(m.Topic(), m.Payload(), m.Retained()) })
	secure, err := o.tls()
	if err != nil {
		return nil, err
	}
	s.SetTLSConfig(secure)
	if o.User != "" {
		s.SetUsername(o.User)
	}
	if o.PasswordFile == "" {
		return s, nil
	}
	password, err := os.ReadFile(o.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("read --password-file: %w", err)
	}
	return s.SetPassword(strings.TrimRight(string(password), "\r\n")), nil
}

func (o *Options) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read --ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca %s holds no certificate in PEM", o.CA)
		}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("read --cert and --cert-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// explain says of a failure to connect what could be done.
func (o *Options) explain(err error) error {
	if distrust, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("connect to %s: %w; %s", o.URL, distrust, remedy(distrust))
	}
	fault, network := errors.AsType[net.Error](err)
	op, _ := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, packets.ErrorRefusedNotAuthorised), errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		return fmt.Errorf("connect to %s: the broker refuses this user; look at --user, --password-file or --cert", o.URL)
	case op != nil && op.Op == "remote error" && o.Cert == "":
		return fmt.Errorf("connect to %s: the broker wants a certificate (%w); give --cert and --cert-key", o.URL, op)
	case op != nil && op.Op == "remote error":
		return fmt.Errorf("connect to %s: the broker does not take the certificate %s (%w); it may have run out, or be for another door of this broker", o.URL, o.Cert, op)
	case errors.Is(err, packets.ErrorNetworkError) && network && (fault.Timeout() || op == nil || op.Op == "dial"):
		return fmt.Errorf("%w at %s: %w", ErrAbsent, o.URL, plain(err))
	}
	return fmt.Errorf("connect to %s: %w; is it a broker for MQTT 3.1.1, and is tls:// or tcp:// right?", o.URL, err)
}

// remedy is what could be done about a certificate of a broker.
func remedy(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "call the broker in --broker by the name that its certificate has"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "have the broker's certificate renewed, or set the clock of this machine"
	}
	return "name the authority that signed its certificate with --ca"
}

// plain is the network's own error, without the library's name for it.
func plain(err error) error {
	cause, _ := errors.AsType[net.Error](err)
	if errors.Is(cause, context.DeadlineExceeded) {
		return errors.New("it said nothing in time; is it frozen, or in another network?")
	}
	return cause
}

// refused is what a broker says instead of a quality of service when it does
// not allow a subscription.
const refused = 0x80

// Subscribe asks for topics and waits for the broker's yes. Messages come at
// most once, for what is retained comes again with the next session.
func (s *Session) Subscribe(ctx context.Context, filters ...string) error {
	all := map[string]byte{}
	for _, f := range filters {
		all[f] = 0
	}
	token := s.client.SubscribeMultiple(all, nil)
	if err := s.wait(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, code := range token.(*mqtt.SubscribeToken).Result() {
		if code == refused {
			return fmt.Errorf("the broker does not allow %s; give this user the operator's rights there", filter)
		}
	}
	return nil
}

// Publish sends a message at least once and waits until the broker has it. A
// retained one without a body clears what the topic retains.
func (s *Session) Publish(ctx context.Context, topic string, body []byte, retain bool) error {
	if err := s.wait(ctx, s.client.Publish(topic, 1, retain, body)); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

func (s *Session) wait(ctx context.Context, token mqtt.Token) error {
	end := time.NewTimer(s.timeout)
	defer end.Stop()
	select {
	case <-token.Done():
		if errors.Is(token.Error(), mqtt.ErrNotConnected) {
			return ErrLost
		}
		return token.Error()
	case <-s.lost:
		return ErrLost
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-end.C:
		return fmt.Errorf("no answer within %s", s.timeout)
	}
}

// Lost is closed when the connection ends other than by Close.
func (s *Session) Lost() <-chan struct{} { return s.lost }

// Close ends the session after what is under way.
func (s *Session) Close() { s.client.Disconnect(250) }
