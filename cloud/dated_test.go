package cloud

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent/openai"
)

// TestHeard: the time of a server counts when it proved who it is, and is told
// once a minute.
func TestHeard(t *testing.T) {
	const date = "Sun, 22 Nov 2026 12:00:00 GMT"
	proven := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}
	for _, tt := range []struct {
		name, date string
		proof      *tls.ConnectionState
		want       int
	}{
		{"proven", date, proven, 2}, {"in the clear", date, nil, 0}, {"anybody", date, &tls.ConnectionState{}, 0}, {"no time", "noon", proven, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var heard []time.Time
				p := New(Options{
					Targets: []Target{{Name: "cloud/first", Base: "https://a.example/v1", Models: map[string]string{"chat": "m"}, Services: []string{"chat"}}},
					Log:     slog.New(slog.DiscardHandler), Heard: func(at time.Time) { heard = append(heard, at) },
					Via: trip(func(r *http.Request) (*http.Response, error) {
						reply, err := well(r)
						reply.TLS = tt.proof
						reply.Header.Set("Date", tt.date)
						return reply, err
					}),
				})
				for range 4 {
					r, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"x"}],"model":"auto"}`))
					if err != nil {
						t.Fatal(err)
					}
					reply, err := p.Chat(t.Context(), call(r, []string{"cloud/first"}))
					if err != nil {
						t.Fatal(err)
					}
					reply.Close()
					pass(40 * time.Second)
				}
				if len(heard) != tt.want || tt.want > 0 && heard[0].Format(http.TimeFormat) != date {
					t.Errorf("heard %v, want %d times %s", heard, tt.want, date)
				}
			})
		})
	}
}
