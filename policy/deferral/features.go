package deferral

import (
	"math"
	"slices"
)

const (
	buckets = 1 << 16          // of hashed words and pairs
	width   = buckets + 2*room // and the counts, each with its square
	room    = 32               // for counts
	small   = 0.15             // how much a count weighs beside all the words of a text
)

// feature is one number about a text that is not 0.
type feature struct {
	at uint32
	v  float64
}

// features are the numbers about a text: its words and its pairs of words,
// each family of length one with repeated words damped, then the counts.
func features(text string) []feature {
	text = text[:min(len(text), maxText)]
	all := words(text)
	var single, pairs []uint32
	for i, w := range all {
		single = append(single, hash(offset, w)%buckets)
		if i > 0 {
			pairs = append(pairs, hash(hash(offset, all[i-1])*prime, w)%buckets)
		}
	}
	out := append(unit(single), unit(pairs)...)
	for i, v := range counts(text) {
		out = append(out, feature{uint32(buckets + 2*i), small * v}, feature{uint32(buckets + 2*i + 1), small * v * v})
	}
	return out
}

// unit counts how often each bucket is there, damped, as a vector of length
// one.
func unit(at []uint32) []feature {
	slices.Sort(at)
	var out []feature
	sum := 0.0
	for len(at) > 0 {
		n := 1
		for n < len(at) && at[n] == at[0] {
			n++
		}
		v := 1 + math.Log(float64(n))
		sum += v * v
		out = append(out, feature{at[0], v})
		at = at[n:]
	}
	for i := range out {
		out[i].v /= math.Sqrt(sum)
	}
	return out
}

// FNV-1a, mixed once more since only the low bits are used.
const (
	offset = 2166136261
	prime  = 16777619
)

func hash(h uint32, word string) uint32 {
	for i := range len(word) {
		h = (h ^ uint32(word[i])) * prime
	}
	return h ^ h>>15
}

// dot is the product of a text's features with weights, which may be shorter.
func dot(x []feature, w []float64) float64 {
	sum := 0.0
	for _, f := range x {
		sum += f.v * w[f.at]
	}
	return sum
}
