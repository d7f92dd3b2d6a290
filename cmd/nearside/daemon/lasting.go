package daemon

import (
	"strings"
	"sync"
	"time"

	"nearside/agent/server/status"
)

// patience is how long a condition must last before it is shown. What comes and
// goes by itself within it needs nobody's attention.
func patience(name string) time.Duration {
	switch name {
	case "target", "not_ready", "store_failing":
		return 3 * time.Second
	}
	return 0
}

// lasting remembers since when conditions last. The zero value is ready.
type lasting struct {
	mu    sync.Mutex // guards since
	since map[string]time.Time
}

// shown are those of the conditions that have lasted for long enough. They are
// all there are now: one that is not among them is over.
func (l *lasting) shown(all []status.Condition, now time.Time) []status.Condition {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, show := map[string]time.Time{}, []status.Condition{}
	for _, c := range all {
		about, _, _ := strings.Cut(c.Message, " ") // messages begin with what they are about; the rest may change
		key := c.Name + " " + about
		began, known := l.since[key]
		if !known {
			began = now
		}
		since[key] = began
		if now.Sub(began) >= patience(c.Name) {
			show = append(show, c)
		}
	}
	l.since = since
	return show
}
