package metrics

import (
	"math"
	"sync"
	"sync/atomic"
)

// maxSeries bounds the series of one family. Names come from the config and
// the policy, which change while the daemon runs; what comes after so many is
// counted as other.
const maxSeries = 512

const other = "other"

// labels are the values of a series, as many as its family has names.
type labels [4]string

// sum is a number that only grows. It may be used from any goroutine.
type sum struct{ bits atomic.Uint64 }

func (s *sum) add(v float64) {
	for {
		old := s.bits.Load()
		if s.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (s *sum) inc() { s.add(1) }

func (s *sum) value() float64 { return math.Float64frombits(s.bits.Load()) }

// family is a counter with labels. Its series are found without allocation,
// and those that were counted last at a glance.
type family struct {
	latest     [2]atomic.Pointer[counter]
	name, help string
	names      []string

	mu     sync.RWMutex // guards series
	series map[labels]*counter
}

// counter is one series of a family. Its labels never change.
type counter struct {
	labels labels
	sum
}

func newFamily(name, help string, names ...string) family {
	return family{name: name, help: help, names: names, series: map[labels]*counter{}}
}

// at is the series with the labels.
func (f *family) at(l labels) *counter {
	for i := range f.latest {
		if s := f.latest[i].Load(); s != nil && s.labels == l {
			return s
		}
	}
	f.mu.RLock()
	s := f.series[l]
	f.mu.RUnlock()
	if s == nil {
		s = f.grow(l)
	}
	f.latest[1].Store(f.latest[0].Load())
	f.latest[0].Store(s)
	return s
}

func (f *family) grow(l labels) *counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.series) >= maxSeries {
		for i := range f.names {
			l[i] = other
		}
	}
	s := f.series[l]
	if s == nil {
		s = &counter{labels: l}
		f.series[l] = s
	}
	return s
}

// show takes all series down.
func (f *family) show(p page) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	pairs := make([]string, 2*len(f.names))
	for l, c := range f.series {
		for i, name := range f.names {
			pairs[2*i], pairs[2*i+1] = name, l[i]
		}
		p.counter(f.name, f.help, c.value(), pairs...)
	}
}
