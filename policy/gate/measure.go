package gate

import "slices"

// Measure is what the gate does with examples, which should be none it was made
// of. Those of an intent it does not know are outside its scope, too.
func (g *Gate) Measure(examples []Example) *Report {
	r := &Report{Intents: len(g.intents), intents: g.intents, pairs: map[[2]int]int{}}
	for _, e := range examples {
		y, ok := slices.BinarySearch(g.intents, e.Label)
		if !ok {
			y = -1
			r.Outside++
		}
		r.crossed(y, g.look(e.Text))
	}
	r.Examples = len(examples) - r.Outside
	r.finish(&g.judge)
	return r
}
