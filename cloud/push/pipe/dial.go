// Package pipe is the connection that MQTT is spoken on: TCP, through a proxy
// where there is one, with TLS and WebSocket as a broker's URL says; and the
// guard on it, since a broker need not be what it says.
package pipe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Options are what is known of all brokers. The files of TLS are read again at
// each Open, so that they can be renewed.
type Options struct {
	TLS    TLS
	Proxy  string // http://HOST:PORT for CONNECT, "none"; "" is what the environment says
	Secret bool   // a password will be sent: only over TLS, or on loopback
}

// TLS says where certificates are. A broker's name is always checked.
type TLS struct {
	CA         string // file; "" is what the system trusts
	Cert, Key  string // files of the client's certificate, both or none
	ServerName string // "" is the host of the URL
}

// Broker is one address and how to reach it.
type Broker struct {
	url    *url.URL
	secure bool // TLS
	web    bool // WebSocket
	o      Options
}

// String is the URL without what may be secret.
func (b *Broker) String() string { return redacted(b.url) }

func redacted(u *url.URL) string { return u.Scheme + "://" + u.Host }

// ports are the schemes of a broker's URL, and where it listens if it does not
// say.
var ports = map[string]string{"tcp": "1883", "mqtt": "1883", "tls": "8883", "ssl": "8883", "mqtts": "8883", "ws": "80", "wss": "443"}

// Parse reads a broker's URL: tls, mqtts, ssl, tcp, mqtt, wss or ws. Each error
// says what would be right.
func Parse(text string, o Options) (*Broker, error) {
	if _, err := parseProxy(o.Proxy); err != nil {
		return nil, err
	}
	if (o.TLS.Cert == "") != (o.TLS.Key == "") {
		return nil, errors.New("mqtt: cert and key go together: give both or none")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || ports[u.Scheme] == "" {
		return nil, fmt.Errorf("mqtt: broker %.80q: give tls://HOST:8883, wss://HOST/PATH, or for a trial tcp://HOST:1883", hideUser(text))
	}
	if u.User != nil {
		return nil, fmt.Errorf("mqtt: broker %s: a password has no place in its URL: give user and a password file", redacted(u))
	}
	b := &Broker{url: u, secure: slices.Contains([]string{"tls", "ssl", "mqtts", "wss"}, u.Scheme), web: strings.HasPrefix(u.Scheme, "ws"), o: o}
	if !b.web && strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("mqtt: broker %s: only ws and wss have a path", redacted(u))
	}
	if o.Secret && !b.secure && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("mqtt: broker %s: a password would be readable on the way: use tls or wss", redacted(u))
	}
	return b, nil
}

func hideUser(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return "..." + text[at:]
	}
	return text
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Host is the broker's name or address.
func (b *Broker) Host() string { return b.url.Hostname() }

// Address is host and port.
func (b *Broker) Address() string {
	if port := b.url.Port(); port != "" {
		return net.JoinHostPort(b.url.Hostname(), port)
	}
	return net.JoinHostPort(b.url.Hostname(), ports[b.url.Scheme])
}

// Open makes the connection that MQTT is spoken on; it takes no longer than ctx.
func (b *Broker) Open(ctx context.Context) (net.Conn, error) {
	if b.web {
		return b.openWeb(ctx)
	}
	return b.openStream(ctx)
}

// openStream makes the TCP connection, through a proxy if there is one, and TLS
// on it.
func (b *Broker) openStream(ctx context.Context) (net.Conn, error) {
	conn, err := b.openTCP(ctx)
	if err != nil || !b.secure {
		return conn, err
	}
	settings, err := b.o.TLS.settings(b.url.Hostname())
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(explainTLS(err), conn.Close())
	}
	return secured, nil
}

// ErrUntrusted is of a broker that did not prove who it is, and is told nothing.
var ErrUntrusted = errors.New("the broker does not prove who it is")

func explainTLS(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w: its certificate is of a CA that is not trusted (if it is yours, name it in mqtt.ca): %w", ErrUntrusted, err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%w: its certificate is for another name: %w", ErrUntrusted, err)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return fmt.Errorf("%w: its certificate is not good now (it has run out, or the clock of this device is wrong): %w", ErrUntrusted, err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("%w: it speaks no TLS: %w", ErrUntrusted, err)
	}
	return fmt.Errorf("TLS: %w", err)
}

func (b *Broker) openTCP(ctx context.Context) (net.Conn, error) {
	via, err := b.proxy()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1} // MQTT has its own
	if via == nil {
		return d.DialContext(ctx, "tcp", b.Address())
	}
	port := via.Port()
	if port == "" {
		port = "80"
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(via.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("reach proxy: %w", err)
	}
	if err := throughProxy(ctx, conn, via.User, b.Address()); err != nil {
		return nil, errors.Join(fmt.Errorf("proxy %s: %w", via.Host, err), conn.Close())
	}
	return conn, nil
}

// proxy is the one to go through, nil for none. A broker on loopback never has
// one.
func (b *Broker) proxy() (*url.URL, error) {
	via, err := parseProxy(b.o.Proxy)
	if err != nil || via != nil || b.o.Proxy != "" {
		return via, err
	}
	via, err = http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: b.Address()}})
	if err != nil {
		return nil, errors.New("the proxy of the environment is no URL: correct HTTPS_PROXY, or set proxy") // its own error repeats a password
	}
	if via != nil && via.Scheme != "http" {
		err = fmt.Errorf("the proxy of the environment is of scheme %q, which MQTT cannot go through: set proxy to http://HOST:PORT or none", via.Scheme)
	}
	return via, err
}

func parseProxy(text string) (*url.URL, error) {
	if text == "" || text == "none" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return nil, fmt.Errorf("mqtt: proxy %.80q: give http://HOST:PORT, or none", hideUser(text))
	}
	return u, nil
}

// throughProxy asks for a tunnel (RFC 9110, CONNECT).
func throughProxy(ctx context.Context, conn net.Conn, user *url.Userinfo, address string) error {
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	// The broker speaks second, so nothing of it can be in the buffer.
	reply, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 16<<10)), request)
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("no tunnel to %s: %s", address, reply.Status)
	}
	return ctx.Err()
}

// settings reads the files, which may have been renewed since.
func (t *TLS) settings(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if t.CA != "" {
		text, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read mqtt.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read mqtt.ca: %s has no certificate in PEM", t.CA)
		}
	}
	if t.Cert == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read mqtt.cert and mqtt.key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
