package policy

import (
	"cmp"
	"slices"
)

// Ways to choose among the members of a pool that are about equally good, see
// [Service]. The rest of a pool follows by utility.
const (
	BalanceOrder      = "order"             // of the config
	BalanceScore      = "score"             // the best score first, see [Score]
	BalanceRoundRobin = "round_robin"       // each in its turn
	BalanceWeighted   = "weighted"          // each in as many turns as its weight says
	BalanceLeast      = "least_connections" // the fewest asks in flight first
)

// Balances lists the ways to choose among equals.
func Balances() []string {
	return []string{BalanceOrder, BalanceScore, BalanceRoundRobin, BalanceWeighted, BalanceLeast}
}

// Score are the coefficients of a target's score: latency/seconds +
// errors×(1 − error rate) + load/(asks in flight + 1). Seconds are those of the
// median, at least 0.1. What is not known is assumed as for utility.
type Score struct {
	Latency float64 `json:"latency"`
	Errors  float64 `json:"errors"`
	Load    float64 `json:"load"`
}

const quickest = 100 // milliseconds below which a target scores no better

// balance puts members that count as equal, in the order of the config, into
// the order in which they are asked.
func (c *chooser) balance(equals []Member) {
	if len(equals) < 2 {
		return
	}
	switch c.service.Balance {
	case BalanceRoundRobin:
		rotate(equals, int(c.sig.Turn%uint64(len(equals))))
	case BalanceWeighted:
		first := c.turn(equals)
		rotate(equals[:first+1], first)
	case BalanceScore, BalanceLeast:
		c.byKey(equals)
	}
}

// rotate has the member at i come first; those before it go to the end.
func rotate(all []Member, i int) {
	slices.Reverse(all[:i])
	slices.Reverse(all[i:])
	slices.Reverse(all)
}

// turn is whose turn it is when each has as many as its weight says.
func (c *chooser) turn(equals []Member) int {
	var sum uint64
	for _, m := range equals {
		sum += turns(c.target(m.Target))
	}
	at := c.sig.Turn % sum
	for i, m := range equals {
		n := turns(c.target(m.Target))
		if at < n {
			return i
		}
		at -= n
	}
	return 0
}

func turns(t *Target) uint64 { return uint64(max(1, t.Weight)) }

// byKey sorts by score or by asks in flight.
func (c *chooser) byKey(equals []Member) {
	type keyed struct {
		key float64
		Member
	}
	all := make([]keyed, len(equals))
	for i, m := range equals {
		t := c.target(m.Target)
		all[i] = keyed{float64(t.InFlight), m}
		if c.service.Balance == BalanceScore {
			all[i].key = -c.score(t)
		}
	}
	slices.SortStableFunc(all, func(x, y keyed) int { return cmp.Compare(x.key, y.key) })
	for i := range all {
		equals[i] = all[i].Member
	}
}

func (c *chooser) score(t *Target) float64 {
	k := Score{Latency: 0.5, Errors: 0.3, Load: 0.2}
	if c.doc.Score != nil {
		k = *c.doc.Score
	}
	seconds := max(quickest, c.median(t)) / 1000
	return k.Latency/seconds + k.Errors*(1-share(known(t.ErrorRate, assumedErrors))) + k.Load/float64(max(0, t.InFlight)+1)
}

// target is the one of that name among the signals.
func (c *chooser) target(name string) *Target {
	for i := range c.sig.Targets {
		if t := &c.sig.Targets[i]; t.Name == name {
			return t
		}
	}
	return &Target{} // members are targets: not reached
}
