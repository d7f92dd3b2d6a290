package helm

import (
	"sync"
	"time"

	"nearside/local/sense"
	"nearside/policy/seal"
)

// heard is the time that a server told which had proved who it is. The zero
// value heard nothing.
type heard struct {
	mu sync.Mutex // guards both
	at time.Time  // as the server told it
	on time.Time  // when, by a clock that only runs
}

// trusts is how long a server's word on the time counts, since the clock that
// carries it on stands still while the device sleeps.
const trusts = 24 * time.Hour

// now is the server's time, moved on since; zero when there is none.
func (h *heard) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since := time.Since(h.on); !h.on.IsZero() && since < trusts {
		return h.at.Add(since)
	}
	return time.Time{}
}

// Heard takes the time that a server told over TLS that was verified.
func (h *Helm) Heard(at time.Time) {
	h.heard.mu.Lock()
	h.heard.at, h.heard.on = at, time.Now()
	h.heard.mu.Unlock()
	if w := h.watch.Load(); w != nil && w.steer.Status().Clock.State != seal.ClockTrusted {
		w.steer.Wake()
	}
}

// evidence is what speaks for a time now.
func (h *Helm) evidence() seal.Evidence {
	return seal.Evidence{Wall: h.o.Now(), Build: h.o.Built, Synced: sense.ClockSynced(), Server: h.heard.now()}
}
