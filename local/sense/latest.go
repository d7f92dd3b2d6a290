package sense

import (
	"maps"
	"sync"
	"time"
)

// host is the source of what the app on the device says.
const host = "host"

// Latest is what is known of the device now: what was sensed, outranked by what
// the host app said until that expires. The zero value knows nothing. Its
// methods may be called from any goroutine.
type Latest struct {
	mu     sync.Mutex // guards all below
	sensed Readings
	pushed Readings
}

// Pushed is one thing the host app says, for so long. A nil Value withdraws
// what it said before.
type Pushed struct {
	Value any
	TTL   time.Duration
}

// Sensed takes a sample in place of the one before. It must not be changed later.
func (l *Latest) Sensed(r Readings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sensed = r
}

// Push takes what the host app says, all of it at once.
func (l *Latest) Push(values map[string]Pushed, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pushed == nil {
		l.pushed = Readings{}
	}
	for name, p := range values {
		if p.Value == nil {
			delete(l.pushed, name)
			continue
		}
		l.pushed[name] = Reading{Value: p.Value, At: now, Source: host, lasts: p.TTL}
	}
}

// At is what is known at a moment, and when that may change by itself.
func (l *Latest) At(now time.Time) (known Readings, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.pushed, func(_ string, r Reading) bool { return r.Left(now) <= 0 })
	known, until = make(Readings, len(l.sensed)+len(l.pushed)), now.Add(lasting)
	for _, from := range []Readings{l.sensed, l.pushed} {
		for name, r := range from {
			left := r.Left(now)
			if left <= 0 {
				continue
			}
			known[name] = r
			if end := now.Add(left); end.Before(until) {
				until = end
			}
		}
	}
	return known, until
}

// Left is for how long the reading counts; 0 or less: it does not any more. A
// device that slept has a wall clock that went on, so that counts too.
func (r Reading) Left(now time.Time) time.Duration {
	return r.lasts - r.Age(now)
}

// Age is how old the reading is.
func (r Reading) Age(now time.Time) time.Duration {
	return max(now.Sub(r.At), now.Round(0).Sub(r.At.Round(0)))
}

// Host tells whether the reading is what the host app said.
func (r Reading) Host() bool { return r.Source == host }
