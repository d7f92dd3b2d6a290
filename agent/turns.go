package agent

import "sync"

// turns numbers the asks of every service that may go to several cloud targets,
// from 1, so that a pool's members take turns whatever else is asked in between.
// Its methods may be called from any goroutine.
type turns struct {
	mu     sync.Mutex
	latest map[string]uint64 // by service; guarded by mu
}

// next is the number that take would give.
func (t *turns) next(service string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest[service] + 1
}

// take gives an ask its number.
func (t *turns) take(service string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latest == nil {
		t.latest = map[string]uint64{}
	}
	t.latest[service]++
	return t.latest[service]
}

// giveBack has the next ask get the number that was taken for nothing; it is
// lost when another was taken meanwhile.
func (t *turns) giveBack(service string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latest[service] == number {
		t.latest[service]--
	}
}
