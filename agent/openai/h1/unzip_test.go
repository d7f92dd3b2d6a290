package h1_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"nearside/agent/openai/h1"
)

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestUnzip: a reply that the server compressed is read as by the library.
func TestUnzip(t *testing.T) {
	long := strings.Repeat("said again ", 10_000)
	whole := zipped(t, long)
	sized := func(coding, text string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", coding, len(text), text)
	}
	chunked := func(text string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), text)
	}
	for name, c := range map[string]struct {
		reply string
		own   string // what the request says of compression
		kept  bool
		fails bool
	}{
		"with a length":        {reply: sized("gzip", whole), kept: true},
		"in chunks":            {reply: chunked(whole), kept: true},
		"in capitals":          {reply: sized("GZIP", whole), kept: true},
		"in two members":       {reply: chunked(whole + whole), kept: true},
		"another coding":       {reply: sized("br", whole), kept: true},
		"asked for by callers": {reply: sized("gzip", whole), own: "gzip", kept: true},
		"none at all":          {reply: sized("gzip", ""), kept: true},
		"cut":                  {reply: sized("gzip", whole[:len(whole)/2]), kept: true, fails: true},
		"not what it says":     {reply: sized("gzip", long), fails: true},
		"rubbish behind it":    {reply: chunked(whole + long), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, always(c.reply))
			lib, tr := settings(), near(t)
			t.Cleanup(lib.CloseIdleConnections)
			req := get(t, t.Context(), s.addr)
			if c.own != "" {
				req.Header.Set("Accept-Encoding", c.own)
			}
			got, want := ask(tr, clone(t, req)), ask(lib, clone(t, req))
			same(t, got, want)
			if (got.err != nil) != c.fails {
				t.Errorf("got %v, want an error %v", got.err, c.fails)
			}
			before := s.lines.Load()
			ask(tr, req)
			if kept := s.lines.Load() == before; kept != c.kept {
				t.Errorf("got the connection kept %v, want %v", kept, c.kept)
			}
		})
	}
	t.Run("where it is to be left alone", func(t *testing.T) {
		s := serve(t, always(sized("gzip", whole)))
		rest := settings()
		rest.DisableCompression = true
		tr := h1.New(rest)
		defer tr.CloseIdleConnections()
		if got := ask(tr, get(t, t.Context(), s.addr)); got.body != whole {
			t.Errorf("got %.40q %v, want it as it came", got.body, got.err)
		}
	})
}

// TestUnzipClosed closes a compressed body of which nothing came yet while it is
// being read, on either way: the read ends.
func TestUnzipClosed(t *testing.T) {
	s := serve(t, func(l *line) {
		l.take()
		l.say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
		hold(l)
	})
	for name, size := range map[string]int{"here": 10, "the library's way": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			tr := near(t)
			for range 20 {
				req := post(t, t.Context(), s.addr, "{}")
				sized(req, size)
				resp, err := tr.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				reads, read := make(chan struct{}), make(chan error)
				go func() {
					close(reads)
					_, err := resp.Body.Read(make([]byte, 1))
					read <- err
				}()
				<-reads
				runtime.Gosched()
				resp.Body.Close()
				if err := <-read; err == nil || errors.Is(err, io.EOF) || resp.Request.URL.Host != s.addr {
					t.Fatalf("got %v of %v, want that it was closed", err, resp.Request.URL)
				}
			}
		})
	}
}
