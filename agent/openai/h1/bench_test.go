package h1_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"nearside/agent/openai/h1"
)

// BenchmarkCall is one small call on a kept connection, here and by the
// library.
func BenchmarkCall(b *testing.B) {
	s := serve(b, always("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 400\r\n\r\n"+strings.Repeat("x", 400)))
	lib := settings()
	lib.DisableCompression = true
	near := h1.New(settings())
	defer lib.CloseIdleConnections()
	defer near.CloseIdleConnections()
	body := `{"model":"m","messages":[{"role":"user","content":"What should one know about this lighthouse?"}]}`
	for name, tr := range map[string]http.RoundTripper{"here": near, "library": lib} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := tr.RoundTrip(post(b, b.Context(), s.addr, body))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
		})
	}
}
