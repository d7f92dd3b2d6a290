package agent

import "sync"

// turns numbers the asks of every service that may go to several cloud targets,
// from 1, so that a pool's members take turns whatever else is asked in between.
// Its methods may be called from any goroutine.
type turns struct {
	mu  sync.Mutex // guards all below
	all []turn     // few, since there are few services
}

// turn is the number that was given last for a service.
type turn struct {
	service string
	latest  uint64
}

// of is the place of a service, to be called while mu is held.
func (t *turns) of(service string) *uint64 {
	for i := range t.all {
		if t.all[i].service == service {
			return &t.all[i].latest
		}
	}
	t.all = append(t.all, turn{service: service})
	return &t.all[len(t.all)-1].latest
}

// next is the number that take would give.
func (t *turns) next(service string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.of(service) + 1
}

// take gives an ask its number.
func (t *turns) take(service string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	latest := t.of(service)
	*latest++
	return *latest
}

// giveBack has the next ask get the number that was taken for nothing; it is
// lost when another was taken meanwhile.
func (t *turns) giveBack(service string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if latest := t.of(service); *latest == number {
		*latest--
	}
}
