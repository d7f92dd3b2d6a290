package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestGuard plays what a web page can make a browser send: names that were
// rebound to this device, and calls across sites.
func TestGuard(t *testing.T) {
	const ours, page = "https://ours.example", "https://evil.example"
	f := world{local: says("local/small", "Hi."), origins: []string{ours}}.open(t)
	const chat, status = "/v1/chat/completions", "/v1/status"
	for _, c := range []struct {
		name, method, path string
		unix               bool
		head               []string
		want               int
	}{
		{"plain", "POST", chat, false, nil, 200},
		{"our host", "GET", status, false, []string{"Host", "LocalHost:6327"}, 200},
		{"IPv6 host", "GET", status, false, []string{"Host", "[::1]:6327"}, 200},
		{"IPv6 host without port", "GET", status, false, []string{"Host", "[::1]"}, 200},
		{"rebound", "GET", status, false, []string{"Host", "evil.example"}, 403},
		{"rebound with port", "POST", chat, false, []string{"Host", "evil.example:6327"}, 403},
		{"host that begins like ours", "GET", status, false, []string{"Host", "localhost.evil.example"}, 403},
		{"host that ends like ours", "GET", status, false, []string{"Host", "evil.localhost"}, 403},
		{"another address of the device", "GET", status, false, []string{"Host", "0.0.0.0:6327"}, 403},
		{"any host by socket", "GET", status, true, []string{"Host", "whatever"}, 200},
		{"cross-site post", "POST", chat, false, []string{"Origin", page}, 403},
		{"cross-site get", "GET", "/v1/models", false, []string{"Origin", page}, 403},
		{"link from a page", "GET", status, false, []string{"Referer", page + "/x"}, 403},
		{"page that names itself nowhere", "GET", "/v1/events", false, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"address typed by a user", "GET", status, false, []string{"Sec-Fetch-Site", "none"}, 200},
		{"sandboxed page", "POST", chat, false, []string{"Origin", "null"}, 403},
		{"page by socket", "POST", chat, true, []string{"Origin", page}, 403},
		{"preflight", "OPTIONS", chat, false, []string{"Origin", page, "Access-Control-Request-Method", "POST"}, 403},
		{"page on a health route", "GET", "/healthz", false, []string{"Origin", page}, 403},
		{"page where nothing is", "GET", "/nothing", false, []string{"Origin", page}, 403},
		{"our page asks", "POST", chat, false, []string{"Origin", ours, "Referer", ours + "/chat"}, 200},
		{"our page lists models", "GET", "/v1/models", false, []string{"Origin", ours}, 200},
		{"our page on a control route", "GET", status, false, []string{"Origin", ours}, 403},
		{"our page explains", "POST", "/v1/explain", false, []string{"Origin", ours}, 403},
		{"origin that begins like ours", "POST", chat, false, []string{"Origin", ours + ".evil.example"}, 403},
		{"referer that begins like ours", "POST", chat, false, []string{"Referer", ours + ".evil.example/"}, 403},
		{"our origin hides a foreign one", "POST", chat, false, []string{"Origin", ours, "Origin", page}, 403},
		{"an empty origin hides a foreign one", "GET", status, false, []string{"Origin", "", "Origin", page}, 403},
		{"an empty referer hides a foreign one", "GET", status, false, []string{"Referer", "", "Referer", page}, 403},
		{"our origin by other scheme", "POST", chat, false, []string{"Origin", "http://ours.example"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := f.tcp
			if c.unix {
				client = f.unix
			}
			body := hello
			if c.method != http.MethodPost {
				body = ""
			}
			got := f.call(client, c.method, c.path, body, c.head...)
			if got.status != c.want {
				t.Fatalf("status %d, want %d: %s", got.status, c.want, got.body)
			}
			if c.want == http.StatusForbidden {
				refusedPage(t, got)
			}
		})
	}
}

func refusedPage(t *testing.T, got reply) {
	t.Helper()
	if got.fault.Type != "permission_error" || got.fault.Code != "origin_refused" {
		t.Errorf("type %q, code %q", got.fault.Type, got.fault.Code)
	}
	if v := got.header.Get("Access-Control-Allow-Origin"); v != "" {
		t.Errorf("a refused page may read the reply: %q", v)
	}
	if v := got.header.Get("x-should-retry"); v != "false" {
		t.Errorf("x-should-retry %q", v)
	}
}

func TestOurPageMayReadTheReply(t *testing.T) {
	f := world{local: says("local/small", "Hi."), origins: []string{"https://ours.example"}}.open(t)
	got := f.chat(hello, "Origin", "https://ours.example")
	if v := got.header.Get("Access-Control-Allow-Origin"); v != "https://ours.example" {
		t.Errorf("Access-Control-Allow-Origin %q", v)
	}
	if v := got.header.Get("Vary"); v != "Origin" {
		t.Errorf("Vary %q", v)
	}
}

// TestRawRequests sends what Go's own client would not.
func TestRawRequests(t *testing.T) {
	f := world{local: says("local/small", "Hi.")}.open(t)
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"no host":         {"GET /healthz HTTP/1.0\r\n\r\n", 403},
		"two hosts":       {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		"header too long": {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431},
		"body cut short":  {"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{", 400},
		"no length":       {"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if got := raw(t, f.addr, c.request); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
		})
	}
}

// raw writes the request, closes its half, and gives the reply's status.
func raw(t *testing.T, addr, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
