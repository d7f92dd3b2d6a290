package weigh

import (
	"cmp"
	"slices"

	"nearside/policy"
)

// Better puts what a rule prefers first, then what has the higher utility.
func Better(x, y *policy.Member) int {
	return cmp.Or(cmp.Compare(y.Terms.Rule, x.Terms.Rule), cmp.Compare(y.Utility, x.Utility))
}

// Rank orders a pool that was weighed: those about as good as the best as they
// are balanced in one of the ways of [policy.Balances], then the others by utility.
func (s *Scale) Rank(pool []policy.Member, how string) {
	if len(pool) == 0 {
		return
	}
	best := &pool[0]
	for i := range pool {
		if Better(&pool[i], best) < 0 {
			best = &pool[i]
		}
	}
	top := crest{best.Terms.Rule, best.Utility, s.doc.Weights.Tie}
	n := top.leading(pool)
	if n < len(pool) {
		slices.SortStableFunc(pool, func(x, y policy.Member) int {
			switch xTied, yTied := top.has(&x), top.has(&y); {
			case xTied && yTied:
				return 0
			case xTied:
				return -1
			case yTied:
				return 1
			}
			return Better(&x, &y)
		})
		n = top.leading(pool)
	}
	s.balance(pool[:n], how)
}

// crest is what the best member of a pool reaches, and how close to it equals
// are.
type crest struct{ rule, utility, tie float64 }

func (b *crest) has(m *policy.Member) bool {
	return m.Terms.Rule == b.rule && b.utility-m.Utility <= b.tie
}

// leading is how many of the pool's first members are equals.
func (b *crest) leading(pool []policy.Member) int {
	n := 0
	for n < len(pool) && b.has(&pool[n]) {
		n++
	}
	return n
}
