package weigh

import "nearside/policy"

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

// Scale weighs the targets of one ask, one after the other, and remembers what
// they have in common. Make it with [For]; it is for one goroutine.
type Scale struct {
	doc       *policy.Document
	ask       *policy.Ask
	sig       *policy.Signals
	metered   bool     // bytes cost money
	assumedMS float64  // see median; 0 until it is needed
	near, far looked   // qualities by the document's tables, for the ask's task
	guesses   guesses  // figures that are not known of the target that is weighed
	named     guesses  // what names are of: those of the target before
	names     []string // see assumed
}

// For is a scale for one ask, as it is bounded by rules.
func For(d *policy.Document, a *policy.Ask, s *policy.Signals) Scale {
	return Scale{doc: d, ask: a, sig: s, metered: s.Metered()}
}

// Weigh fills m with the target's utility for the ask, its terms, and what had
// to be assumed for them; a rule may prefer the target. Costs are taken from 0,
// since a record would show the negative of nothing as -0.
func (s *Scale) Weigh(t *policy.Target, preferred bool, m *policy.Member) {
	w, terms := &s.doc.Weights, &m.Terms
	errors := share(known(t.ErrorRate, assumedErrors))
	terms.Quality = w.Quality * s.expect(t) * (1 - errors)
	terms.Latency = 0 - w.Latency*share(s.median(t)/float64(max(1, s.ask.DeadlineMS)))
	terms.Errors = 0 - w.Errors*errors
	terms.Load = 0 - w.Load*share(float64(t.InFlight)/fullLoad)
	s.guesses = guess(t.P50MS == nil && w.Latency > 0, guessP50) | guess(t.ErrorRate == nil && w.Quality+w.Errors > 0, guessErrors)
	if t.Local() {
		terms.Near = w.Near
		if !t.Light {
			s.strain(terms)
		}
	} else {
		s.guesses |= guess(t.Price == nil && w.Cost > 0, guessPrice)
		terms.Cost = 0 - w.Cost*100*min(fullCost, s.cost(t))
		if s.metered && !t.Near {
			terms.Metered = 0 - w.Metered*share(s.ask.Size.Kilobytes()/fullMeter)
		}
	}
	if preferred {
		terms.Rule = preferenceBonus
	}
	m.Target, m.Utility, m.Assumed = t.Name, sum(terms), s.assumed()
}

func (s *Scale) cost(t *policy.Target) float64 {
	if t.Price == nil {
		return assumedCostUSD
	}
	return t.Price.Cost(s.ask.Size)
}

// expect is the quality expected of a target for the ask: its estimate, for a
// cloud target what the ask is said to gain there, else the document's table.
func (s *Scale) expect(t *policy.Target) float64 {
	if e := s.ask.Estimate(t.Name); e != nil {
		return share(e.Good)
	}
	if t.Local() {
		return s.near.of(s.doc.Quality.Local, s.ask.Task)
	}
	for i := range s.ask.Expected {
		if e := &s.ask.Expected[i]; e.Gain != nil {
			return share(e.Good + *e.Gain)
		}
	}
	return s.far.of(s.doc.Quality.Cloud, s.ask.Task)
}

// looked is what a table says, looked up once.
type looked struct {
	value float64
	known bool
}

func (l *looked) of(table map[string]float64, name string) float64 {
	if !l.known {
		l.value, _ = policy.Listed(table, name)
		l.known = true
	}
	return l.value
}

func sum(t *policy.Terms) float64 {
	return t.Quality + t.Near + t.Latency + t.Errors + t.Load + t.Cost + t.Metered + t.CPU + t.Memory + t.Heat + t.Battery + t.Rule
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
func (s *Scale) median(t *policy.Target) float64 {
	if t.P50MS != nil {
		return *t.P50MS
	}
	if s.assumedMS > 0 {
		return s.assumedMS
	}
	ms := float64(assumedMS)
	for i := range s.sig.Targets {
		if t := &s.sig.Targets[i]; !t.Local() && t.P50MS != nil {
			ms = min(ms, *t.P50MS)
		}
	}
	s.assumedMS = ms
	return ms
}
