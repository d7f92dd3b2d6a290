package policy

import (
	"math/bits"
	"slices"
)

// What is assumed of a target whose figures are not known yet: neither zero
// nor good.
const (
	assumedMS       = 1500
	assumedErrors   = 0.05
	assumedCostUSD  = 0.002
	fullLoad        = 8   // asks in flight that count as fully loaded
	fullMeter       = 100 // kB that count as all that may be spent where they cost money
	fullCost        = 1e6 // USD that one ask costs at most, whatever a price says
	preferenceBonus = 100 // term of a preferred target; it goes first whatever the others are
)

// weigh gives the target's utility for the ask, its terms, and what had to be
// assumed for them. Costs are taken from 0, since a record would show the
// negative of nothing as -0.
func (c *chooser) weigh(t *Target, m *Member) {
	w, terms := &c.doc.Weights, &m.Terms
	errors := share(known(t.ErrorRate, assumedErrors))
	terms.Quality = w.Quality * c.expect(t) * (1 - errors)
	terms.Latency = 0 - w.Latency*share(c.median(t)/float64(max(1, c.ask.DeadlineMS)))
	terms.Errors = 0 - w.Errors*errors
	terms.Load = 0 - w.Load*share(float64(t.InFlight)/fullLoad)
	c.guesses = guess(t.P50MS == nil && w.Latency > 0, guessP50) | guess(t.ErrorRate == nil && w.Quality+w.Errors > 0, guessErrors)
	if t.Local() {
		terms.Near = w.Near
		if !t.Light {
			c.strain(terms)
		}
	} else {
		c.guesses |= guess(t.Price == nil && w.Cost > 0, guessPrice)
		terms.Cost = 0 - w.Cost*100*min(fullCost, c.cost(t))
		if c.metered && !t.Near {
			terms.Metered = 0 - w.Metered*share(c.ask.Size.Kilobytes()/fullMeter)
		}
	}
	if c.preferred(t) {
		terms.Rule = preferenceBonus
	}
	m.Target, m.Utility, m.Assumed = t.Name, terms.sum(), c.assumed()
}

// preferred tells whether a matched rule prefers the target. What prefers the
// cloud spares the device, so a light target is not put behind it.
func (c *chooser) preferred(t *Target) bool {
	found := false
	for i := c.prefers; i < len(c.matched); i++ {
		if list := c.matched[i].Then.Prefer; names(list, t) || t.Light && slices.Contains(list, Cloud) {
			c.blame(i)
			found = true
		}
	}
	return found
}

// guesses are the figures of one target that are needed and not known.
type guesses uint8

// In the order in which they are named.
const (
	guessP50 guesses = 1 << iota
	guessErrors
	guessPrice
	guessCPU
	guessMemory
	guessHeat
	guessCharging
	guessBattery
)

var figures = [...]string{"p50_ms", "error_rate", "price", "cpu_pct", "mem_available_mb", "temperature_c", "charging", "battery_pct"}

// guess is the figure, if it is missing.
func guess(missing bool, figure guesses) guesses {
	if missing {
		return figure
	}
	return 0
}

// assumed names the figures that were guessed of a target. One like the target
// before has the same list.
func (c *chooser) assumed() []string {
	if c.guesses == c.named {
		return c.names
	}
	c.named, c.names = c.guesses, nil
	if c.guesses == 0 {
		return nil
	}
	c.names = make([]string, 0, bits.OnesCount8(uint8(c.guesses)))
	for i, figure := range figures {
		if c.guesses&(1<<i) != 0 {
			c.names = append(c.names, figure)
		}
	}
	return c.names
}

// ramp is where a signal begins to matter to the device, and where it is worst.
type ramp struct {
	figure      guesses
	from, worst float64
}

// strain gives the terms of what the device's state costs a local target.
func (c *chooser) strain(t *Terms) {
	w, d := &c.doc.Weights, &c.sig.Device
	t.CPU = c.burden(w.CPU, d.CPUPct, ramp{guessCPU, 50, 100})
	t.Memory = c.burden(w.Memory, d.MemAvailableMB, ramp{guessMemory, 1024, 64})
	t.Heat = c.burden(w.Heat, d.TemperatureC, ramp{guessHeat, 60, 95})
	t.Battery = c.burden(w.Battery*c.drain(), d.BatteryPct, ramp{guessBattery, 50, 5})
}

// burden is the term of one signal: nothing where the ramp begins, all of the
// weight at its end, half of it when the signal is not known.
func (c *chooser) burden(weight float64, signal *float64, r ramp) float64 {
	if weight == 0 {
		return 0
	}
	c.guesses |= guess(signal == nil, r.figure)
	return 0 - weight*share((known(signal, (r.from+r.worst)/2)-r.from)/(r.worst-r.from))
}

// drain is how much of the battery's weight counts: none of it while charging,
// half when that is not known.
func (c *chooser) drain() float64 {
	charging := c.sig.Device.Charging
	c.guesses |= guess(charging == nil && c.doc.Weights.Battery > 0, guessCharging)
	switch {
	case charging == nil:
		return 0.5
	case *charging:
		return 0
	}
	return 1
}

func (c *chooser) cost(t *Target) float64 {
	if t.Price == nil {
		return assumedCostUSD
	}
	return t.Price.Cost(c.ask.Size)
}

// expect is the quality expected of a target for the ask: its estimate, for a
// cloud target what the ask is said to gain there, else the document's table.
func (c *chooser) expect(t *Target) float64 {
	if e := c.ask.Estimate(t.Name); e != nil {
		return share(e.Good)
	}
	if t.Local() {
		return c.near.of(c.doc.Quality.Local, c.ask.Task)
	}
	for i := range c.ask.Expected {
		if e := &c.ask.Expected[i]; e.Gain != nil {
			return share(e.Good + *e.Gain)
		}
	}
	return c.far.of(c.doc.Quality.Cloud, c.ask.Task)
}

// looked is what a table says, looked up once.
type looked struct {
	value float64
	known bool
}

func (l *looked) of(table map[string]float64, name string) float64 {
	if !l.known {
		l.value, l.known = listed(table, name), true
	}
	return l.value
}

// listed is the entry of a table, or that of "default".
func listed(table map[string]float64, name string) float64 {
	if v, ok := table[name]; ok {
		return v
	}
	return table["default"]
}

// share bounds a part of something: a record from outside may say anything.
func share(x float64) float64 { return min(1, max(0, x)) }

// known is the figure, or what is assumed when it is not known.
func known(figure *float64, assumed float64) float64 {
	if figure == nil {
		return assumed
	}
	return *figure
}

// median is how long the target takes mostly, in milliseconds. One that is not
// known yet is no worse than the best cloud target that is, so that it gets its
// turn.
func (c *chooser) median(t *Target) float64 {
	if t.P50MS != nil {
		return *t.P50MS
	}
	if c.assumedMS > 0 {
		return c.assumedMS
	}
	ms := float64(assumedMS)
	for i := range c.sig.Targets {
		if t := &c.sig.Targets[i]; !t.Local() && t.P50MS != nil {
			ms = min(ms, *t.P50MS)
		}
	}
	c.assumedMS = ms
	return ms
}
