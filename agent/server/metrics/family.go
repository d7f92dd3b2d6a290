package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSeries bounds the series of one family. Names come from the config and
// the policy, which change while the daemon runs; what comes after so many is
// counted as other.
const maxSeries = 512

const other = "other"

// labels are the values of a series, as many as its family has names.
type labels [4]string

// family is a counter with labels. Its series are found without allocation.
type family struct {
	names int
	vec   *prometheus.CounterVec

	mu     sync.RWMutex // guards series
	series map[labels]prometheus.Counter
}

func newFamily(r prometheus.Registerer, name, help string, names ...string) *family {
	f := &family{
		names: len(names), series: map[labels]prometheus.Counter{},
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, names),
	}
	r.MustRegister(f.vec)
	return f
}

// at is the series with the labels.
func (f *family) at(l labels) prometheus.Counter {
	f.mu.RLock()
	c := f.series[l]
	f.mu.RUnlock()
	if c != nil {
		return c
	}
	return f.add(l)
}

func (f *family) add(l labels) prometheus.Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.series) >= maxSeries {
		for i := range f.names {
			l[i] = other
		}
	}
	c := f.series[l]
	if c == nil {
		c = f.vec.WithLabelValues(l[:f.names]...)
		f.series[l] = c
	}
	return c
}
