package gate

import (
	"math"
	"slices"
)

// Outside is the label of examples that no intent fits.
const Outside = "oos"

const fixed = 1 << 12 // of a feature's value: fixed point in 32 bits

// Gate is a trained classifier. It does not change; any number of goroutines
// may use it.
type Gate struct {
	intents []string
	scale   []float32 // of each intent's weights
	bias    []float32
	rare    *rarity
	rows    []uint16          // per bucket, where its weights are
	weights []int8            // rows of one weight per intent
	words   [buckets / 8]byte // which buckets single words of the examples fall into
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
	return len(g.weights) + 2*len(g.rows) + len(g.rare) + len(g.words) + 8*len(g.scale)
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
		if b := uint16(h); g.words[b>>3]>>(b&7)&1 == 1 {
			known++
		}
	}
	sums := make([]int32, len(g.intents))
	for _, f := range g.rare.vector(t, make([]feature, 0, len(t.words)+len(t.chars))) {
		row := g.weights[int(g.rows[f.bucket])*len(sums):][:len(sums)]
		v := int32(f.value * fixed)
		for i, w := range row {
			sums[i] += v * int32(w)
		}
	}
	return g.weigh(sums, t.count, known)
}

// weigh turns sums into evidence.
func (g *Gate) weigh(sums []int32, words, known int) evidence {
	e := evidence{second: 1}
	top := [3]float64{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	all := 0.0
	for i, sum := range sums {
		s := float64(float32(sum)*g.scale[i]/fixed + g.bias[i])
		all += math.Exp(4 * s)
		switch {
		case s > top[0]:
			top[2], top[1], top[0] = top[1], top[0], s
			e.second, e.first = e.first, i
		case s > top[1]:
			top[2], top[1] = top[1], s
			e.second = i
		case s > top[2]:
			top[2] = s
		}
	}
	top[2] = max(top[2], -2)
	e.signs = signs{
		top[0], top[0] - top[1], top[1] - top[2], 4*top[0] - math.Log(all),
		1 - float64(known)/float64(max(words, 1)), math.Log(float64(words + 1)),
	}
	return e
}
