package pull_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"nearside/cloud/pull"
)

// serve is a TLS server and the PEM of what proves it.
func serve(t *testing.T, h http.HandlerFunc) (address string, ca []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func ask(t *testing.T, address, etag string, trust pull.Trust) (*pull.Answer, error) {
	t.Helper()
	via, err := trust.Transport()
	if err != nil {
		t.Fatal(err)
	}
	h, err := pull.NewHTTPS(address, false, via)
	if err != nil {
		t.Fatal(err)
	}
	return h.Get(t.Context(), etag)
}

// TestGet: the tag goes out, a body or nothing comes back, with the server's
// clock.
func TestGet(t *testing.T) {
	address, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Date", "Sun, 22 Nov 2026 10:00:00 GMT")
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if r.Header.Get("Accept-Encoding") != "identity" || r.URL.Path != "/fleet/t.json" {
			t.Errorf("got %s with %v", r.URL, r.Header)
		}
		_, _ = w.Write([]byte(envelope))
	})
	for etag, want := range map[string]string{"": envelope, `"v0"`: envelope, `"v1"`: ""} {
		a, err := ask(t, address+"/fleet/t.json", etag, pull.Trust{CA: ca, Proxy: "none"})
		if err != nil {
			t.Fatal(err)
		}
		if string(a.Body) != want || a.ETag != `"v1"` || a.Date.Hour() != 10 {
			t.Errorf("with %q: got %q, tag %s, %s", etag, a.Body, a.ETag, a.Date)
		}
	}
}

// TestRefusals: what a server may not do.
func TestRefusals(t *testing.T) {
	elsewhere := 0
	other, _ := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere++ })
	f := func(name, want string, h http.HandlerFunc) {
		t.Helper()
		address, ca := serve(t, h)
		a, err := ask(t, address, "", pull.Trust{CA: ca, Proxy: "none"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want %q", name, a, err, want)
		}
	}
	f("redirect", "redirects are not followed", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) })
	f("nothing changed since nothing", "redirects are not followed", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	f("not found", "status 404", http.NotFound)
	f("endless body", "larger than", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	f("large body that says so", "larger than", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000")
		_, _ = w.Write([]byte("{"))
	})
	f("cut body", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("{"))
	})
	var bomb bytes.Buffer // made before it is asked for: that takes longer than a busy machine lets a caller wait
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 32<<20))
	_ = z.Close()
	f("gzip bomb", "compressed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	f("large header", "header", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 64<<10)) })
	if elsewhere > 0 {
		t.Error("the redirect was followed")
	}
}

// TestSlowBody ends when the caller's time does; the package's own bound is a
// minute.
func TestSlowBody(t *testing.T) {
	address, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("{"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	via, err := pull.Trust{CA: ca, Proxy: "none"}.Transport()
	if err != nil {
		t.Fatal(err)
	}
	h, err := pull.NewHTTPS(address, false, via)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := h.Get(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestTrust: only who proves its name by the CA, by TLS 1.2 or newer, is heard.
func TestTrust(t *testing.T) {
	heard := 0
	address, ca := serve(t, func(w http.ResponseWriter, _ *http.Request) { heard++; _, _ = w.Write([]byte(envelope)) })
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard++ }))
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	t.Cleanup(old.Close)
	f := func(name, address, want string, trust pull.Trust) {
		t.Helper()
		trust.Proxy = "none"
		if _, err := ask(t, address, "", trust); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("another CA", address, "unknown authority", pull.Trust{})
	f("another name", strings.Replace(address, "127.0.0.1", "localhost", 1), "localhost", pull.Trust{CA: ca})
	f("old TLS", old.URL, "protocol version", pull.Trust{CA: ca})
	f("a clock before the certificate", address, "not yet valid", pull.Trust{CA: ca, Now: func() time.Time { return time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) }})
	if heard > 0 {
		t.Error("a stranger was heard")
	}
	for want, trust := range map[string]pull.Trust{
		"ca holds no certificate": {CA: []byte("x")},
		"proxy must be a URL":     {Proxy: "gopher://x"},
	} {
		if _, err := trust.Transport(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestProxy goes through the one that the setting names.
func TestProxy(t *testing.T) {
	address, ca := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(envelope)) })
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.Host
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	_, err := ask(t, address, "", pull.Trust{CA: ca, Proxy: proxy.URL})
	if want := "CONNECT " + strings.TrimPrefix(address, "https://"); err == nil || asked != want {
		t.Errorf("got %q and %v, want %q and a refusal", asked, err, want)
	}
}

// TestRetryAfterHeader reads seconds, and times by the server's own clock.
func TestRetryAfterHeader(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		address, ca := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", text)
			w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := ask(t, address, "", pull.Trust{CA: ca, Proxy: "none"})
		var busy *pull.Busy
		if !errors.As(err, &busy) || busy.After != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	f("120", 2*time.Minute)
	f("Thu, 01 Jan 1970 01:00:00 GMT", time.Hour)
	f("Wed, 31 Dec 1969 01:00:00 GMT", 0)
	f("-1", 0)
	f("soon", 0)
	f("", 0)
}

func TestCheckURL(t *testing.T) {
	f := func(address string, plain bool, want string) {
		t.Helper()
		err := pull.CheckURL(address, plain)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s, plain %v: got %v, want %q", address, plain, err, want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%v repeats a password", err)
		}
	}
	f("https://fleet.example/t/pol.json", false, "")
	f("http://127.0.0.1:8080/p", true, "")
	f("http://192.168.1.9/p", true, "")
	f("http://127.0.0.1:8080/p", false, "must begin with https://")
	f("http://fleet.example/p", true, "private network")
	f("http://8.8.8.8/p", true, "private network")
	f("https://u:hidden@fleet.example/", false, "no user")
	f("https://fleet.example/?token=hidden", false, "no ?")
	f("https://fleet.example/#hidden", false, "no #")
	f("file:///etc/passwd", true, "must be a URL")
	f("ftp://fleet.example/", true, "must begin with https://")
	f("", false, "must be a URL")
}
