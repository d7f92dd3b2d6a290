package trial

import "math"

// buckets of a [Histogram]: each is √2 times as wide as the one before, so
// that 48 reach from 1 to 16 million.
const buckets = 48

// Units of the first bucket of [Figures.Times] and [Figures.Costs].
const (
	TimeUnit = 1.0  // milliseconds
	CostUnit = 1e-7 // USD
)

// Histogram counts values by their size: bucket 0 those up to a unit, bucket i
// those up to √2^i units, the last one all that are larger.
type Histogram [buckets]uint32

// Add counts one value, given in units.
func (h *Histogram) Add(v float64) {
	i := 0
	if v > 1 {
		i = int(min(math.Ceil(2*math.Log2(v)-1e-9), buckets-1))
	}
	h[i]++
}

// N is how many values were counted.
func (h *Histogram) N() float64 {
	n := 0.0
	for _, c := range h {
		n += float64(c)
	}
	return n
}

// Over is how many values were larger than limit, in units; within the bucket
// that holds the limit they are taken as evenly spread.
func (h *Histogram) Over(limit float64) float64 {
	n := 0.0
	for i, c := range h {
		low, high := edge(i-1), edge(i)
		switch {
		case low >= limit:
			n += float64(c)
		case high > limit:
			n += float64(c) * (high - limit) / (high - low)
		}
	}
	return n
}

// Quantile is the value, in units, that the share q of values do not exceed,
// as near as the buckets tell; 0 when there are none.
func (h *Histogram) Quantile(q float64) float64 {
	left := q * h.N()
	for i, c := range h {
		if left -= float64(c); c > 0 && left <= 0 {
			low, high := edge(i-1), edge(i)
			return high + (high-low)*left/float64(c)
		}
	}
	return 0
}

// edge is the upper end of a bucket.
func edge(i int) float64 {
	if i < 0 {
		return 0
	}
	return math.Exp2(float64(i) / 2)
}

// Outcome is what came of one ask.
type Outcome struct {
	Failed  bool    // it was tried, and no target answered
	Refused bool    // policy had no way for it, so nothing was tried
	Gone    bool    // the caller gave up before it ended; what the other fields say but MS does not count
	Poor    bool    // it was answered, and the answer is known to be poor
	Local   bool    // the device answered
	Kept    bool    // what binds an ask to the device kept the cloud from it: only that it failed or was given up counts
	MS      float64 // until the end, or the first byte of a stream, in milliseconds
	CostUSD float64
}

// Figures are what came of asks since some beginning. They only grow; the time
// between two looks is their difference, see [Figures.Since].
type Figures struct {
	Begun    int64     `json:"begun"` // asks that came in; 0 when nobody counts them
	Asks     int64     `json:"asks"`  // asks that ended
	Gone     int64     `json:"gone"`  // asks that their callers gave up
	Errors   int64     `json:"errors"`
	Refusals int64     `json:"refusals"`
	Poor     int64     `json:"poor"`
	Local    int64     `json:"local"`
	Kept     int64     `json:"kept,omitempty"` // asks of which only errors count, see [Outcome]
	CostUSD  float64   `json:"cost_usd"`
	Times    Histogram `json:"times"` // of asks that were tried, and of those given up; not of those kept
	Costs    Histogram `json:"costs"` // of asks that were tried; not of those kept
}

// Add counts the end of an ask. What comes in is counted apart, in Begun.
func (f *Figures) Add(o Outcome) {
	if o.Gone {
		f.Gone++
		if !o.Kept {
			f.Times.Add(o.MS / TimeUnit)
		}
		return
	}
	f.Asks++
	f.Errors += one(o.Failed)
	if o.Kept {
		f.Kept++
		f.Local += one(o.Local)
		f.CostUSD += o.CostUSD
		return
	}
	f.Refusals += one(o.Refused)
	f.Poor += one(o.Poor)
	f.Local += one(o.Local)
	if o.Refused {
		return
	}
	f.CostUSD += o.CostUSD
	f.Times.Add(o.MS / TimeUnit)
	f.Costs.Add(o.CostUSD / CostUnit)
}

func one(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Since is what was added after an earlier look at the same figures.
func (f Figures) Since(before Figures) Figures { return f.plus(before, -1) }

// Plus is both together.
func (f Figures) Plus(other Figures) Figures { return f.plus(other, 1) }

func (f Figures) plus(o Figures, sign int64) Figures {
	f.Begun = max(0, f.Begun+sign*o.Begun)
	f.Asks = max(0, f.Asks+sign*o.Asks)
	f.Gone = max(0, f.Gone+sign*o.Gone)
	f.Errors = max(0, f.Errors+sign*o.Errors)
	f.Refusals = max(0, f.Refusals+sign*o.Refusals)
	f.Poor = max(0, f.Poor+sign*o.Poor)
	f.Local = max(0, f.Local+sign*o.Local)
	f.Kept = max(0, f.Kept+sign*o.Kept)
	f.CostUSD = max(0, f.CostUSD+float64(sign)*o.CostUSD)
	for i := range f.Times {
		f.Times[i] = added(f.Times[i], o.Times[i], sign)
		f.Costs[i] = added(f.Costs[i], o.Costs[i], sign)
	}
	return f
}

// added is a count plus or minus another, never below 0.
func added(a, b uint32, sign int64) uint32 {
	return uint32(min(max(0, int64(a)+sign*int64(b)), math.MaxUint32))
}

// LocalShare is the share of asks that the device answered, 0 when there were
// none.
func (f Figures) LocalShare() float64 { return share(float64(f.Local), float64(f.Asks)) }

// MS is the time, in milliseconds, that the share q of answers did not exceed.
func (f Figures) MS(q float64) float64 { return f.Times.Quantile(q) * TimeUnit }

func share(k, n float64) float64 {
	if n <= 0 {
		return 0
	}
	return k / n
}
