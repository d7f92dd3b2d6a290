package h1_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestReplies gives replies of all shapes to this transport and to the
// library's: both make the same of them, and only after a whole reply with
// nothing behind it is the connection kept.
func TestReplies(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		reply  string
		closes bool // the server closes after it
		kept   bool
		begun  bool
		body   string
		fault  error // nil: none; errAny: any
	}{
		"a length":                   {reply: ok, kept: true, begun: true, body: "ok"},
		"a long body":                {reply: "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + long, kept: true, begun: true, body: long},
		"no body":                    {reply: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", kept: true, begun: true},
		"no content":                 {reply: "HTTP/1.1 204 No Content\r\n\r\n", kept: true, begun: true},
		"an error":                   {reply: "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\nno", kept: true, begun: true, body: "no"},
		"chunks":                     {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", kept: true, begun: true, body: "ok!"},
		"chunks with trailers":       {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", kept: true, begun: true, body: "ok"},
		"compressed, unasked":        {reply: "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok", kept: true, begun: true, body: "ok"},
		"until the end":              {reply: "HTTP/1.1 200 OK\r\n\r\nall of it", closes: true, begun: true, body: "all of it"},
		"connection: close":          {reply: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", begun: true, body: "ok"},
		"version 1.0":                {reply: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", begun: true, body: "ok"},
		"1xx before it":              {reply: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, kept: true, begun: true, body: "ok"},
		"1xx without end":            {reply: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 3000) + ok, fault: errAny},
		"101":                        {reply: "HTTP/1.1 101 Switching Protocols\r\n\r\n", closes: true, begun: true},
		"two answers in one":         {reply: ok + ok, begun: true, body: "ok"},
		"one byte too many":          {reply: ok + "\n", begun: true, body: "ok"},
		"two answers, no body":       {reply: "HTTP/1.1 204 No Content\r\n\r\n" + ok, begun: true},
		"bytes behind chunks":        {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1", begun: true},
		"cut in the length":          {reply: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", closes: true, begun: true, body: "ok", fault: io.ErrUnexpectedEOF},
		"cut in a chunk":             {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok", closes: true, begun: true, body: "ok", fault: io.ErrUnexpectedEOF},
		"cut before the last chunk":  {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", closes: true, begun: true, body: "ok", fault: io.ErrUnexpectedEOF},
		"cut in the trailers":        {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ", closes: true, begun: true, body: "ok", fault: errAny},
		"a chunk of no length":       {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n", begun: true, fault: errAny},
		"two lengths":                {reply: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", fault: errAny},
		"a length and chunks":        {reply: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", kept: true, begun: true, body: "ok"},
		"a length below nothing":     {reply: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", fault: errAny},
		"an unknown coding":          {reply: "HTTP/1.1 200 OK\r\nTransfer-Encoding: smoke\r\n\r\nok", fault: errAny},
		"cut in the head":            {reply: "HTTP/1.1 200 OK\r\nContent-", closes: true, fault: errAny},
		"nothing":                    {closes: true, fault: io.EOF},
		"no HTTP":                    {reply: "220 mail ready\r\n\r\n", fault: errAny},
		"a header without a colon":   {reply: "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", fault: errAny},
		"a head over its bound":      {reply: "HTTP/1.1 200 OK\r\nX: " + long + "\r\n\r\n", fault: errAny},
		"many headers":               {reply: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: 1\r\n", 20_000) + "\r\n", fault: errAny},
		"a head just within":         {reply: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + long[:65_000] + "\r\n\r\nok", kept: true, begun: true, body: "ok"},
		"a body larger than a head":  {reply: "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + long + long + long, kept: true, begun: true, body: long + long + long},
		"cookies of a page":          {reply: "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n", kept: true, begun: true},
		"a status of three letters":  {reply: "HTTP/1.1 abc OK\r\n\r\n", fault: errAny},
		"a fold in a header":         {reply: "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", kept: true, begun: true, body: "ok"},
		"not modified with a length": {reply: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", kept: true, begun: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(l *line) {
				if l.take() == nil {
					return
				}
				l.say(c.reply)
				if !c.closes && l.take() != nil {
					l.say(ok)
				}
			})
			lib := settings()
			t.Cleanup(lib.CloseIdleConnections)
			tr := near(t)
			for _, shape := range []*http.Request{get(t, t.Context(), s.addr), post(t, t.Context(), s.addr, `{"a":1}`)} {
				got, want := ask(tr, shape.Clone(t.Context())), ask(lib, clone(t, shape))
				same(t, got, want)
				if got.begun != c.begun || got.body != c.body || !matches(got.err, c.fault) {
					t.Errorf("got %v %.20q %v, want %v %.20q %v", got.begun, got.body, got.err, c.begun, c.body, c.fault)
				}
				lib.CloseIdleConnections()
				tr.CloseIdleConnections()
			}
			again(t, c.kept, s, tr)
		})
	}
}

// again holds that the connection of a call is used for the next one only when
// it was kept.
func again(t *testing.T, kept bool, s *server, tr http.RoundTripper) {
	t.Helper()
	ask(tr, get(t, t.Context(), s.addr))
	before := s.lines.Load()
	ask(tr, get(t, t.Context(), s.addr))
	if reused := s.lines.Load() == before; reused != kept {
		t.Errorf("got the connection kept %v, want %v", reused, kept)
	}
}

var errAny = errors.New("any")

func matches(got, want error) bool {
	return got == want || want == errAny && got != nil || want != nil && errors.Is(got, want)
}

func clone(t testing.TB, req *http.Request) *http.Request {
	c := req.Clone(t.Context())
	if req.GetBody != nil {
		c.Body, _ = req.GetBody()
	}
	return c
}

// same holds the end of a call to that of the library's.
func same(t testing.TB, got, want end) {
	t.Helper()
	if got.status != want.status || got.body != want.body || got.begun != want.begun || (got.err == nil) != (want.err == nil) {
		t.Errorf("got %d %.40q %v, the library %d %.40q %v", got.status, got.body, got.err, want.status, want.body, want.err)
	}
	if !maps.EqualFunc(got.header, want.header, func(x, y []string) bool { return strings.Join(x, "\n") == strings.Join(y, "\n") }) {
		t.Errorf("got headers %v, the library %v", got.header, want.header)
	}
	for _, class := range []error{io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(got.err, class) != errors.Is(want.err, class) {
			t.Errorf("got %v, the library %v", got.err, want.err)
		}
	}
}

// TestLikeTheLibrary sends replies made at random, in pieces cut at random, to
// both.
func TestLikeTheLibrary(t *testing.T) {
	var pieces atomic.Pointer[[]string]
	s := serve(t, func(l *line) {
		if l.take() == nil {
			return
		}
		for _, piece := range *pieces.Load() {
			l.say(piece)
		}
		_ = l.Conn.(*net.TCPConn).CloseWrite()
		l.take() // until the other end closes
	})
	lib := settings()
	lib.DisableKeepAlives = true
	tr := near(t)
	rapid.Check(t, func(r *rapid.T) {
		reply := randomReply(r)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(reply)), 0, 4).Draw(r, "cuts")
		pieces.Store(new(cut(reply, cuts)))
		got, want := ask(tr, get(t, t.Context(), s.addr)), ask(lib, get(t, t.Context(), s.addr))
		same(t, got, want)
		tr.CloseIdleConnections()
		if t.Failed() {
			r.Fatalf("reply %q", reply)
		}
	})
}

// randomReply is a reply of pieces that are right, odd or wrong.
func randomReply(r *rapid.T) string {
	pick := func(of string, from ...string) string { return rapid.SampledFrom(from).Draw(r, of) }
	text := pick("before", "", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early\r\nA: b\r\n\r\n", "\r\n") +
		pick("version", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1") + " " +
		pick("status", "200 OK", "200", "404 Not Found", "000 None", "503 Busy", "204 No", "304 Same", "302 Found", "20 x", "2000 x") + pick("eol", "\r\n", "\r\n", "\n")
	for range rapid.IntRange(0, 3).Draw(r, "headers") {
		text += pick("header", "Content-Type: application/json", "x-a:b", "X-A:  c ", "Location: /x", "Connection: keep-alive", "Connection: close", "Keep-Alive: timeout=5",
			"Content-Encoding: br", "Content-Encoding: gzip", " folded", "bad header", "Bad Name: x", ": none", "X-\xff: y", "X: \x00", "Trailer: X-Sum") + "\r\n"
	}
	body := pick("framing", "Content-Length: 5\r\n\r\nhello", "Content-Length: 9\r\n\r\nhello", "Content-Length: 3\r\n\r\nhello", "\r\nhello", "\r\n", "Content-Length: 0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n6\r\nhello\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"Content-Length: +5\r\n\r\nhello", "Content-Length: 5, 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	text += body + pick("behind", "", "", "", ok, "\r\n", "x")
	if rapid.IntRange(0, 3).Draw(r, "whole") == 0 {
		text = text[:rapid.IntRange(0, len(text)).Draw(r, "cut")]
	}
	return text
}

// FuzzReply reads any bytes as a reply: it ends, as the library would have it
// end, and what came behind a reply is never taken for the next one.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{ok, ok + ok, "HTTP/0.0 000 0\n\n", "HTTP/1.1 200 OK\r\n\r\nx", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabc", "HTTP/1.0 204 x\nA: b\n\n", "HTTP/1.1 304 x\r\nContent-Length: 4\r\n\r\nabcd"} {
		f.Add([]byte(seed))
	}
	packed := zipped(f, "ok")
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(packed), packed)))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: GZip\r\n\r\n" + packed + packed))
	var reply atomic.Pointer[[]byte]
	s := serve(f, func(l *line) {
		req := l.take()
		if req == nil {
			return
		}
		_, _ = l.Write(*reply.Load())
		if req.Header.Get("X-End") != "" {
			return
		}
		for l.take() != nil { // a second call on this connection is answered well
			l.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
		}
	})
	lib := settings()
	lib.DisableKeepAlives = true
	tr := near(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 10_000 {
			return
		}
		reply.Store(&text)
		closing := func() *http.Request {
			req := get(t, t.Context(), s.addr)
			req.Header.Set("X-End", "1")
			return req
		}
		got, want := ask(tr, closing()), ask(lib, closing())
		if want.status == http.StatusSwitchingProtocols {
			want.body = got.body // the library lets callers go on with it
		}
		same(t, got, want)
		tr.CloseIdleConnections()
		if got.err != nil || strings.HasPrefix(string(text), "HTTP/1.1 1") {
			return
		}
		waits := ask(tr, timed(t, get(t, t.Context(), s.addr)))
		before := s.lines.Load()
		reply.Store(new([]byte("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")))
		if next := ask(tr, get(t, t.Context(), s.addr)); next.body != "second" || next.status != http.StatusOK {
			t.Errorf("after %q (%v, %d lines): got %d %q %v, want the second reply", text, waits.err, s.lines.Load()-before, next.status, next.body, next.err)
		}
		tr.CloseIdleConnections()
	})
}

// timed is for a reply that may go on until its connection ends.
func timed(t testing.TB, req *http.Request) *http.Request {
	ctx, cancel := timeout(t, 20*time.Millisecond)
	t.Cleanup(cancel)
	return req.WithContext(ctx)
}

// cut cuts a text at those places.
func cut(text string, at []int) (pieces []string) {
	slices.Sort(at)
	from := 0
	for _, to := range at {
		pieces = append(pieces, text[from:to])
		from = to
	}
	return append(pieces, text[from:])
}
