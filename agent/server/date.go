package server

import (
	"net/http"
	"sync/atomic"
	"time"
)

// dates keeps the value of a Date header for its second: net/http formats one
// anew for each reply that has none. The zero value is ready, for any goroutine.
type dates struct{ latest atomic.Pointer[dateline] }

// dateline is the header of one second. It never changes.
type dateline struct {
	second int64
	values []string
}

// at is the header at a time. Its values must not be changed.
func (d *dates) at(now time.Time) []string {
	if l := d.latest.Load(); l != nil && l.second == now.Unix() {
		return l.values
	}
	l := &dateline{now.Unix(), []string{now.UTC().Format(http.TimeFormat)}}
	d.latest.Store(l)
	return l.values
}
