package h1

import "time"

// Look has idle connections looked at, as a timer has.
func (t *Transport) Look() { t.shelf.expire() }

// Slept has the clock on the wall go on by d for connections that lie idle, as
// when the device slept meanwhile: timers stand still.
func (t *Transport) Slept(d time.Duration) {
	t.shelf.mu.Lock()
	defer t.shelf.mu.Unlock()
	for _, c := range t.shelf.conns {
		c.since = c.since.Round(0).Add(-d)
	}
}
