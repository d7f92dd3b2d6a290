package pull

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	wholeTime  = time.Minute // of one request, from the name's look-up to the last byte
	headerTime = 20 * time.Second
	maxHeader  = 16 << 10
	maxETag    = 256
)

// Trust says how a server is reached, and how it proves who it is.
type Trust struct {
	CA    []byte           // PEM; only these are trusted then; nil: what the device trusts
	Proxy string           // URL of one; "": as the environment says; "none": none
	Now   func() time.Time // to judge certificates by, when the clock is not to be trusted; nil is time.Now
}

// Transport is for requests that are few, far between and small: TLS 1.2 or
// newer, no connection kept, nothing unpacked, every phase bounded in time.
func (t Trust) Transport() (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Time: t.Now}
	if t.CA != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, errors.New("ca holds no certificate: it must be PEM")
		}
	}
	proxy, err := t.proxy()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		TLSClientConfig: conf, Proxy: proxy, DisableCompression: true, DisableKeepAlives: true,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: headerTime, MaxResponseHeaderBytes: maxHeader,
	}, nil
}

func (t Trust) proxy() (func(*http.Request) (*url.URL, error), error) {
	switch t.Proxy {
	case "":
		return fromEnvironment, nil
	case "none":
		return nil, nil
	}
	u, err := url.Parse(t.Proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, errors.New("proxy must be a URL that begins with http://, https:// or socks5://, or none")
	}
	return http.ProxyURL(u), nil
}

// fromEnvironment is the proxy that the environment says. Its error repeats none
// of that, since a password may be in it, and the error goes into reports.
func fromEnvironment(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("the proxy of the environment is no URL: correct HTTPS_PROXY, or set proxy")
	}
	return u, nil
}

// HTTPS asks one address.
type HTTPS struct {
	address string
	via     http.RoundTripper
}

// NewHTTPS is the source at an address. Plain lets it be http, to this device or
// to an address of a private network, for which the envelope's signatures are
// protection enough where the operator says so. Redirects are not followed,
// since via makes one round trip.
func NewHTTPS(address string, plain bool, via http.RoundTripper) (*HTTPS, error) {
	if err := CheckURL(address, plain); err != nil {
		return nil, err
	}
	return &HTTPS{address, via}, nil
}

// CheckURL tells what is wrong with an address; its error repeats none of it,
// since a password may be in it.
func CheckURL(address string, plain bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("must be a URL that begins with https://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(address, "?#"):
		return errors.New("must have no user, no password, no ? and no #")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http" || !plain:
		return errors.New("must begin with https://")
	case !private(u.Hostname()):
		return errors.New("must begin with https://; http only leads to this device or to an address of a private network")
	}
	return nil
}

func private(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast())
}

// Get asks once, as [Source] says.
func (h *HTTPS) Get(ctx context.Context, etag string) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	a, err := h.get(ctx, etag)
	if err == nil {
		err = ctx.Err() // the end of a body may come just as it is given up
	}
	if err != nil {
		return nil, fmt.Errorf("pull envelopes: %w", err)
	}
	return a, nil
}

func (h *HTTPS) get(ctx context.Context, etag string) (*Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "nearside")
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	reply, err := h.via.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	return read(reply, etag != "")
}

// read judges a reply; asked says that it may be that nothing changed.
func read(reply *http.Response, asked bool) (*Answer, error) {
	a := &Answer{ETag: reply.Header.Get("ETag")}
	date, err := http.ParseTime(reply.Header.Get("Date"))
	if err == nil && reply.TLS != nil {
		a.Date = date
	}
	if len(a.ETag) > maxETag {
		a.ETag = ""
	}
	switch {
	case reply.StatusCode == http.StatusNotModified && asked:
		return a, nil
	case reply.StatusCode >= 300 && reply.StatusCode < 400:
		return nil, fmt.Errorf("status %d: redirects are not followed; give the address itself", reply.StatusCode)
	case reply.StatusCode != http.StatusOK:
		return nil, &Busy{fmt.Errorf("status %d", reply.StatusCode), retryAfter(reply.Header, date)}
	}
	if e := reply.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, errors.New("the answer is compressed, which was not asked for")
	}
	a.Body, err = body(reply)
	return a, err
}

func body(reply *http.Response) ([]byte, error) {
	tooLarge := fmt.Errorf("the answer is larger than %d bytes", MaxBody)
	if reply.ContentLength > MaxBody {
		return nil, tooLarge
	}
	b, err := io.ReadAll(io.LimitReader(reply.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(b) > MaxBody {
		return nil, tooLarge
	}
	return b, nil
}

// retryAfter is how long the server wants to be left alone, 0 when it does not
// say. A time is taken as from its own clock, since ours may be wrong.
func retryAfter(h http.Header, date time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil || date.IsZero() {
		return 0
	}
	return max(0, at.Sub(date))
}
