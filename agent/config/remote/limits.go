package remote

// Limits are how far a policy from outside may move what is expected of this
// device, by the asks of the last days and by ordinary ones; beyond one it is
// refused. Points are hundredths of all asks. A cost or a time is too much only
// when both its factor and its amount are exceeded.
type Limits struct {
	Refusals      float64 `json:"refusals"`       // points more may be refused
	Poor          float64 `json:"poor"`           // points more may get a local answer that is not good enough now
	Quality       float64 `json:"quality"`        // points that the chance of a good answer may fall
	LocalShare    float64 `json:"local_share"`    // points that the share of the device may move, up or down; 100 is any
	CostFactor    float64 `json:"cost_factor"`    // times as dear an ask may get
	CostUSD       float64 `json:"cost_usd"`       // or dearer by so much
	LatencyFactor float64 `json:"latency_factor"` // times as slow an answer may get
	LatencyMS     float64 `json:"latency_ms"`     // or slower by so much
}

// DefaultLimits leave room for any change that somebody may want, such as from
// the cloud first to the device first and back; harm is beyond them.
func DefaultLimits() Limits {
	return Limits{Refusals: 10, Poor: 25, Quality: 30, LocalShare: 100, CostFactor: 3, CostUSD: 0.01, LatencyFactor: 4, LatencyMS: 3000}
}

// Form gives where limits are read into: what is left out is as usual.
func (l *Limits) Form(bool) any {
	type limits Limits
	*l = DefaultLimits()
	return (*limits)(l)
}

func (c *checker) limits(l *Limits) {
	for _, x := range []struct {
		name  string
		value float64
		least float64
		most  float64
	}{
		{"refusals", l.Refusals, 0, 100}, {"poor", l.Poor, 0, 100}, {"quality", l.Quality, 0, 100}, {"local_share", l.LocalShare, 0, 100},
		{"cost_factor", l.CostFactor, 1, 1e6}, {"cost_usd", l.CostUSD, 0, 1000}, {"latency_factor", l.LatencyFactor, 1, 1e6}, {"latency_ms", l.LatencyMS, 0, 3_600_000},
	} {
		c.check(x.value >= x.least && x.value <= x.most, "limits."+x.name, "%v must be from %v to %v", x.value, x.least, x.most)
	}
}
