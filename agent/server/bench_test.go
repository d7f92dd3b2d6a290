package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nearside/agent/server/callers"
)

// sink is a connection that takes everything at once.
type sink struct {
	head http.Header
	size int
}

func (s *sink) Header() http.Header              { return s.head }
func (s *sink) WriteHeader(int)                  {}
func (s *sink) Write(p []byte) (int, error)      { s.size += len(p); return len(p), nil }
func (s *sink) Flush()                           {}
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// forgetful is a recorder and a cache that keeps nothing.
type forgetful struct{ memory }

func (*forgetful) Put(string, []byte, time.Time)                 {}
func (*forgetful) Record(string, time.Time, func([]byte) []byte) {}

// BenchmarkChat is the road from a request that was read to its answer, with no
// network on either side.
func BenchmarkChat(b *testing.B) {
	f := func(name, body string) {
		kept := &forgetful{}
		h := (world{cloud: says("cloud/first", "Paris."), cache: kept, recorder: kept}).server().Handler()
		end, other := net.Pipe()
		defer end.Close()
		defer other.Close()
		ctx := callers.Connect(b.Context(), end)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
				r.Host = "localhost"
				out := &sink{head: http.Header{}}
				if h.ServeHTTP(out, r); out.size < 100 {
					b.Fatalf("%d bytes, %v", out.size, out.head)
				}
			}
		})
	}
	f("plain", turn(`"model":"cloud","temperature":0`))
	f("stream", turn(`"model":"cloud","temperature":0,"stream":true`))
}
