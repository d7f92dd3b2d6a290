package cloud

import (
	"net/http"
	"sync/atomic"
	"time"

	"nearside/agent/openai/client"
	"nearside/agent/openai/h1"
)

// datesEvery is how often the time of a server is told.
const datesEvery = time.Minute

// dated tells the time of servers that proved who they are.
type dated struct {
	http.RoundTripper
	heard func(time.Time)
	last  atomic.Pointer[time.Time]
}

// RoundTrip makes it a way to targets.
func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := d.RoundTripper.RoundTrip(r)
	if err != nil || reply.TLS == nil || len(reply.TLS.VerifiedChains) == 0 {
		return reply, err
	}
	now := time.Now()
	if last := d.last.Load(); last != nil && now.Sub(*last) < datesEvery {
		return reply, nil
	}
	if at, bad := http.ParseTime(reply.Header.Get("Date")); bad == nil {
		d.last.Store(&now)
		d.heard(at)
	}
	return reply, nil
}

// Prepare makes it a way of plain requests, whose servers prove nothing.
func (d *dated) Prepare(r *http.Request) *h1.Ready {
	if way, ok := d.RoundTripper.(client.Way); ok {
		return way.Prepare(r)
	}
	return nil
}
