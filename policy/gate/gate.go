package gate

import (
	"math"
	"slices"
)

// Outside is the label of examples that no intent fits.
const Outside = "oos"

const fixed = 1 << 12 // of a feature's value: fixed point in 32 bits

// bits is a set of buckets.
type bits [buckets / 8]byte

func (b *bits) add(bucket uint16)      { b[bucket>>3] |= 1 << (bucket & 7) }
func (b *bits) has(bucket uint16) bool { return b[bucket>>3]>>(bucket&7)&1 == 1 }

// Gate is a trained classifier. It does not change; any number of goroutines
// may use it.
type Gate struct {
	intents []string
	scale   []float32 // of each intent's weights
	bias    []float32
	rare    *rarity
	rows    []uint16 // per bucket, where its weights are
	weights []int8   // rows of one weight per intent
	words   bits     // which buckets single words of the examples fall into
	met     []bits   // which buckets occur in examples of each intent
	judge   judge
	about   About
}

// Verdict is what a gate says of a text.
type Verdict struct {
	Intent     string  // the likeliest, never [Outside]
	Confidence float64 // P(in scope and this intent), 0 to 1
	Second     string  // the next likeliest
}

// Intents are those the gate knows, sorted.
func (g *Gate) Intents() []string { return slices.Clone(g.intents) }

// Bytes is the memory the gate takes, without its names.
func (g *Gate) Bytes() int {
	return len(g.weights) + 2*len(g.rows) + len(g.rare) + len(g.words)*(1+len(g.met)) + 8*len(g.scale)
}

// Classify names the likeliest intent of a text, of which it looks at the first
// 512 characters. Any bytes will do.
func (g *Gate) Classify(text string) Verdict {
	e := g.look(text)
	return Verdict{Intent: g.intents[e.first], Confidence: g.judge.confidence(e.signs), Second: g.intents[e.second]}
}

// evidence is what is known of a text before it is judged.
type evidence struct {
	first, second int // intents
	signs         signs
}

// look scores a text under every intent.
func (g *Gate) look(text string) evidence {
	t := split(text)
	known := 0
	for _, h := range t.words[:t.count] {
		if g.words.has(uint16(h)) {
			known++
		}
	}
	sums := make([]int32, len(g.intents))
	vector := g.rare.vector(t, make([]feature, 0, len(t.words)+len(t.chars)))
	for _, f := range vector {
		row := g.weights[int(g.rows[f.bucket])*len(sums):][:len(sums)]
		v := int32(f.value * fixed)
		for i, w := range row {
			sums[i] += v * int32(w)
		}
	}
	e := g.weigh(sums)
	support := g.met[e.first].share(vector)
	e.signs[3] = 1 - float64(known)/float64(max(t.count, 1))
	e.signs[4] = math.Log(float64(t.count + 1))
	e.signs[5], e.signs[6] = support, support-g.met[e.second].share(vector)
	return e
}

// share is how much of a vector's squared length is in the set.
func (b *bits) share(vector []feature) float64 {
	in, all := float32(0), float32(0)
	for _, f := range vector {
		square := float32(f.value * f.value)
		all += square
		if b.has(f.bucket) {
			in += square
		}
	}
	return float64(in) / max(float64(all), 1e-9)
}

// weigh finds the best intents and how well they stand out.
func (g *Gate) weigh(sums []int32) evidence {
	e := evidence{second: 1}
	best, next, all := math.Inf(-1), math.Inf(-1), 0.0
	for i, sum := range sums {
		s := float64(float32(float32(sum)*g.scale[i]/fixed) + g.bias[i])
		all += math.Exp(4 * s)
		switch {
		case s > best:
			next, best = best, s
			e.second, e.first = e.first, i
		case s > next:
			next, e.second = s, i
		}
	}
	e.signs[0], e.signs[1], e.signs[2] = best, best-next, 4*best-math.Log(all)
	return e
}
