package cloud

import (
	"net/http"
	"sync/atomic"
	"time"
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
