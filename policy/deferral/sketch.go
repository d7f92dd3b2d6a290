package deferral

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Sketch is what a fit needs of a text, in a few bytes for each word: hashes of
// its words and pairs of words, and the counts. A label can be kept as one, so
// that no text is kept. It is less than the text and not nothing: who knows a
// word can find out whether it was there.
type Sketch []byte

const (
	buckets = 1 << 16 // of hashed words and pairs
	counted = 20      // counts about a text
	fine    = 60      // steps of one in a count, which is within 2 of 0
	entry   = 3       // bytes of a bucket and how often it is there

	// MaxSketch is how many bytes a sketch may have; longer texts are looked at
	// as far as it reaches.
	MaxSketch = counted + 2 + entry*maxWords*2
	maxWords  = 4096
)

// SketchOf is the sketch of a text: the counts, how many buckets words fill,
// those, then those of pairs.
func SketchOf(text string) Sketch {
	text = text[:min(len(text), maxText)]
	all := words(text)
	all = all[:min(len(all), maxWords)]
	var single, pairs []uint16
	for i, w := range all {
		single = append(single, uint16(hash(offset, w)))
		if i > 0 {
			pairs = append(pairs, uint16(hash(hash(offset, all[i-1])*prime, w)))
		}
	}
	s := make(Sketch, 0, counted+2+entry*2*len(all))
	for _, v := range counts(text) {
		s = append(s, byte(int8(math.Round(fine*v))))
	}
	words := tally(single)
	s = binary.LittleEndian.AppendUint16(s, uint16(len(words)/entry))
	return append(append(s, words...), tally(pairs)...)
}

// tally is how often each bucket is there, in order.
func tally(at []uint16) []byte {
	slices.Sort(at)
	var out []byte
	for len(at) > 0 {
		n := 1
		for n < len(at) && at[n] == at[0] {
			n++
		}
		out = append(binary.LittleEndian.AppendUint16(out, at[0]), byte(min(n, 255)))
		at = at[n:]
	}
	return out
}

// Check tells why bytes are no sketch.
func (s Sketch) Check() error {
	if len(s) < counted+2 || len(s) > MaxSketch || (len(s)-counted-2)%entry != 0 {
		return fmt.Errorf("sketch has %d bytes: it must be %d and %d for each bucket, at most %d", len(s), counted+2, entry, MaxSketch)
	}
	if s.split() > len(s) {
		return errors.New("sketch is cut: words are missing")
	}
	for i := counted + 2; i < len(s); i += entry {
		if s[i+2] == 0 {
			return fmt.Errorf("sketch has a bucket with count 0 at byte %d", i)
		}
	}
	return nil
}

// split is where words end and pairs begin.
func (s Sketch) split() int {
	return counted + 2 + entry*int(binary.LittleEndian.Uint16(s[counted:]))
}

// feature is one number about a text that is not 0.
type feature struct {
	at uint32
	v  float64
}

const (
	width = buckets + 2*counted // each count has its square beside it
	small = 0.15                // how much a count weighs beside all the words of a text
)

// features are the numbers about a text: its words and its pairs of words,
// rare ones higher, each family of length one, then the counts.
func (s Sketch) features(rare []float32) []feature {
	out := make([]feature, 0, 2*counted+(len(s)-counted)/entry)
	split := s.split()
	out = unit(out, s[counted+2:split], rare)
	out = unit(out, s[split:], rare)
	for i := range counted {
		v := float64(int8(s[i])) / fine
		at := uint32(buckets + 2*i)
		out = append(out, feature{at, small * v}, feature{at + 1, small * v * v})
	}
	return out
}

// unit appends a tally as a vector of length one. Repeated words are damped.
func unit(out []feature, tally []byte, rare []float32) []feature {
	from, sum := len(out), 0.0
	for ; len(tally) > 0; tally = tally[entry:] {
		at := binary.LittleEndian.Uint16(tally)
		v := damped[tally[2]] * float64(rare[at])
		sum += v * v
		out = append(out, feature{uint32(at), v})
	}
	if sum > 0 {
		length := math.Sqrt(sum)
		for i := from; i < len(out); i++ {
			out[i].v /= length
		}
	}
	return out
}

// damped is what a count of words weighs.
var damped = logarithms()

func logarithms() (out [256]float64) {
	for n := 1; n < len(out); n++ {
		out[n] = 1 + math.Log(float64(n))
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
