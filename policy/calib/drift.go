package calib

// Drift watches whether a stream of values, such as the scores of answers or
// the errors that audits found, still has the mean it had: the two-sided test
// of Page (1954) and Hinkley (1971). It is a value without a clock: the caller
// keeps it, and may store it as JSON. The zero value has seen nothing.
type Drift struct {
	N    int     `json:"n"`    // values seen since the beginning or the last reset
	Mean float64 `json:"mean"` // of them
	Up   float64 `json:"up"`   // how far the sum of deviations is above its lowest
	Down float64 `json:"down"` // and how far below its highest
}

// Alarm says when a drift is raised.
type Alarm struct {
	Slack  float64 // a change of the mean that small does not matter
	Height float64 // how far the sum of deviations beyond the slack may go
	Least  int     // no alarm before so many values
}

// DefaultAlarm is for values from 0 to 1: a mean that moved by .2 is noticed
// after about 100 values, and of values that did not move one stream of 10,000
// in twenty raises a false alarm; see the tests.
func DefaultAlarm() Alarm { return Alarm{Slack: 0.05, Height: 15, Least: 30} }

// Take sees one value and tells whether the mean has moved. After an alarm the
// caller begins anew with the zero value.
func (d *Drift) Take(value float64, a Alarm) (moved bool) {
	d.N++
	d.Mean += (value - d.Mean) / float64(d.N)
	d.Up = max(0, d.Up+value-d.Mean-a.Slack)
	d.Down = max(0, d.Down+d.Mean-value-a.Slack)
	return d.N >= a.Least && (d.Up > a.Height || d.Down > a.Height)
}
