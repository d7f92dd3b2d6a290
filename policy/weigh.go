package policy

// What is assumed of a target whose figures are not known yet: neither zero
// nor good.
const (
	assumedMS       = 1500
	assumedErrors   = 0.05
	assumedCostUSD  = 0.002
	fullLoad        = 8   // asks in flight that count as fully loaded
	fullMeter       = 100 // kB that count as all that may be spent where they cost money
	preferenceBonus = 100 // term of a preferred target; it goes first whatever the others are
)

// weigh gives the terms of the target's utility for the ask. Costs are taken
// from 0, since a record would show the negative of nothing as -0.
func (c *chooser) weigh(t *Target) Terms {
	w := c.doc.Weights
	errors := known(t.ErrorRate, assumedErrors)
	quality := c.expect(t)
	terms := Terms{
		Quality: w.Quality * quality * (1 - errors),
		Latency: 0 - w.Latency*min(1, known(t.P50MS, c.assumed())/float64(max(1, c.ask.DeadlineMS))),
		Errors:  0 - w.Errors*errors,
		Load:    0 - w.Load*min(1, float64(t.InFlight)/fullLoad),
	}
	if t.local() {
		terms.Near = w.Near
	} else {
		terms.Cost = 0 - w.Cost*100*c.cost(t)
	}
	if c.metered && !t.Near && !t.local() {
		terms.Metered = 0 - w.Metered*min(1, c.ask.Size.kilobytes()/fullMeter)
	}
	for i, r := range c.matched {
		if names(r.Then.Prefer, t) {
			c.blame(i)
			terms.Rule = preferenceBonus
		}
	}
	return terms
}

func (c *chooser) cost(t *Target) float64 {
	if t.Price == nil {
		return assumedCostUSD
	}
	return t.Price.cost(c.ask.Size)
}

// expect is the quality expected of a target for the ask: its estimate, for a
// cloud target what the ask is said to gain there, else the document's table.
func (c *chooser) expect(t *Target) float64 {
	if e := c.ask.expected(t.Name); e != nil {
		return e.Good
	}
	if t.local() {
		return listed(c.doc.Quality.Local, c.ask.Task)
	}
	for i := range c.ask.Expected {
		if e := &c.ask.Expected[i]; e.Gain != nil {
			return min(1, max(0, e.Good+*e.Gain))
		}
	}
	return listed(c.doc.Quality.Cloud, c.ask.Task)
}

// listed is the entry of a table, or that of "default".
func listed(table map[string]float64, name string) float64 {
	if v, ok := table[name]; ok {
		return v
	}
	return table["default"]
}

// known is the figure, or what is assumed when it is not known.
func known(figure *float64, assumed float64) float64 {
	if figure == nil {
		return assumed
	}
	return *figure
}

// assumed is the latency of a target that is not known yet: no worse than that
// of the best cloud target that is, so that it gets its turn.
func (c *chooser) assumed() float64 {
	ms := float64(assumedMS)
	for i := range c.sig.Targets {
		if t := &c.sig.Targets[i]; !t.local() && t.P50MS != nil {
			ms = min(ms, *t.P50MS)
		}
	}
	return ms
}
