package weigh

import (
	"cmp"
	"slices"

	"nearside/policy"
)

const quickest = 100 // milliseconds below which a target scores no better

// balance puts members that count as equal, in the order of the config, into
// the order in which they are asked.
func (s *Scale) balance(equals []policy.Member, how string) {
	if len(equals) < 2 {
		return
	}
	switch how {
	case policy.BalanceRoundRobin:
		rotate(equals, int(s.sig.Turn%uint64(len(equals))))
	case policy.BalanceWeighted:
		first := s.turn(equals)
		rotate(equals[:first+1], first)
	case policy.BalanceScore, policy.BalanceLeast:
		s.byKey(equals, how == policy.BalanceScore)
	}
}

// rotate has the member at i come first; those before it go to the end.
func rotate(all []policy.Member, i int) {
	slices.Reverse(all[:i])
	slices.Reverse(all[i:])
	slices.Reverse(all)
}

// turn is whose turn it is when each has as many as its weight says.
func (s *Scale) turn(equals []policy.Member) int {
	var sum uint64
	for _, m := range equals {
		sum += turns(s.target(m.Target))
	}
	at := s.sig.Turn % sum
	for i, m := range equals {
		n := turns(s.target(m.Target))
		if at < n {
			return i
		}
		at -= n
	}
	return 0
}

func turns(t *policy.Target) uint64 { return uint64(max(1, t.Weight)) }

// byKey sorts by score or by asks in flight.
func (s *Scale) byKey(equals []policy.Member, score bool) {
	type keyed struct {
		key float64
		policy.Member
	}
	all := make([]keyed, len(equals))
	for i, m := range equals {
		t := s.target(m.Target)
		all[i] = keyed{float64(t.InFlight), m}
		if score {
			all[i].key = -s.score(t)
		}
	}
	slices.SortStableFunc(all, func(x, y keyed) int { return cmp.Compare(x.key, y.key) })
	for i := range all {
		equals[i] = all[i].Member
	}
}

func (s *Scale) score(t *policy.Target) float64 {
	k := policy.Score{Latency: 0.5, Errors: 0.3, Load: 0.2}
	if s.doc.Score != nil {
		k = *s.doc.Score
	}
	seconds := max(quickest, s.median(t)) / 1000
	return k.Latency/seconds + k.Errors*(1-share(known(t.ErrorRate, assumedErrors))) + k.Load/float64(max(0, t.InFlight)+1)
}

// target is the one of that name among the signals.
func (s *Scale) target(name string) *policy.Target {
	for i := range s.sig.Targets {
		if t := &s.sig.Targets[i]; t.Name == name {
			return t
		}
	}
	return &policy.Target{} // members are targets: not reached
}
