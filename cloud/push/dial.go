package push

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

// broker is one address and how to reach it.
type broker struct {
	url    *url.URL
	secure bool // TLS
	web    bool // WebSocket
	o      *Options
}

// ports are the schemes of a broker's URL, and where it listens if it does not
// say.
var ports = map[string]string{"tcp": "1883", "mqtt": "1883", "tls": "8883", "ssl": "8883", "mqtts": "8883", "ws": "80", "wss": "443"}

func parseBroker(text string, o *Options) (*broker, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || ports[u.Scheme] == "" {
		return nil, fmt.Errorf("mqtt: broker %.80q: give tls://HOST:8883, wss://HOST/PATH, or for a trial tcp://HOST:1883", hideUser(text))
	}
	if u.User != nil {
		return nil, fmt.Errorf("mqtt: broker %s: a password has no place in its URL: give user and a password file", redacted(u))
	}
	b := &broker{url: u, secure: slices.Contains([]string{"tls", "ssl", "mqtts", "wss"}, u.Scheme), web: strings.HasPrefix(u.Scheme, "ws"), o: o}
	if !b.web && strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("mqtt: broker %s: only ws and wss have a path", redacted(u))
	}
	if (o.PasswordFile != "" || o.Password != nil) && !b.secure && !loopback(u.Hostname()) {
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

func (b *broker) address() string {
	if port := b.url.Port(); port != "" {
		return net.JoinHostPort(b.url.Hostname(), port)
	}
	return net.JoinHostPort(b.url.Hostname(), ports[b.url.Scheme])
}

// open makes the connection that MQTT is spoken on; it takes no longer than ctx.
func (b *broker) open(ctx context.Context) (net.Conn, error) {
	if b.web {
		return b.openWeb(ctx)
	}
	return b.openStream(ctx)
}

// openStream makes the TCP connection, through a proxy if there is one, and TLS
// on it.
func (b *broker) openStream(ctx context.Context) (net.Conn, error) {
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

func explainTLS(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("the broker's certificate is of a CA that is not trusted (if it is yours, name it in mqtt.ca): %w", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("the broker's certificate is for another name: %w", err)
	}
	return fmt.Errorf("TLS: %w", err)
}

func (b *broker) openTCP(ctx context.Context) (net.Conn, error) {
	via, err := b.proxy()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1} // MQTT has its own
	if via == nil {
		return d.DialContext(ctx, "tcp", b.address())
	}
	port := via.Port()
	if port == "" {
		port = "80"
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(via.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("reach proxy: %w", err)
	}
	if err := throughProxy(ctx, conn, via.User, b.address()); err != nil {
		return nil, errors.Join(fmt.Errorf("proxy %s: %w", via.Host, err), conn.Close())
	}
	return conn, nil
}

// proxy is the one to go through, nil for none. A broker on loopback never has
// one.
func (b *broker) proxy() (*url.URL, error) {
	via, err := parseProxy(b.o.Proxy)
	if err != nil || via != nil || b.o.Proxy != "" {
		return via, err
	}
	via, err = http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: b.address()}})
	if err == nil && via != nil && via.Scheme != "http" {
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
