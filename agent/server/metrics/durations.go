package metrics

import (
	"strconv"
	"sync/atomic"
)

// Buckets in seconds: a kept answer takes less than a millisecond, a model on
// a small device a minute.
var buckets = [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// durations counts how long things took, in seconds, by bucket. It may be used
// from any goroutine.
type durations struct {
	counts [len(buckets) + 1]atomic.Uint64 // the last one: longer than all
	total  sum
}

func (d *durations) observe(seconds float64) {
	i := 0
	for i < len(buckets) && seconds > buckets[i] {
		i++
	}
	d.counts[i].Add(1)
	d.total.add(seconds)
}

// show takes them down as a histogram, whose count is what its buckets hold,
// also while others observe.
func (d *durations) show(p page, name, help string, labels ...string) {
	s, n := p.at("histogram", name, help, labels), uint64(0)
	for i := range d.counts {
		n += d.counts[i].Load()
		le := "+Inf"
		if i < len(buckets) {
			le = strconv.FormatFloat(buckets[i], 'g', -1, 64)
		}
		s.line("_bucket", float64(n), "le", le)
	}
	s.line("_sum", d.total.value())
	s.line("_count", float64(n))
}
