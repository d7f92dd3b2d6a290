package gate

import (
	"math"
	"slices"
	"unicode"
)

const (
	buckets  = 1 << 16 // that n-grams are hashed into
	maxRunes = 512     // of a text that are looked at
	charNorm = 1.5     // length of the characters' part of a vector; the words' is 1
	leastRun = 3       // characters
	mostRun  = 5
	rarest   = 64 // what a rarity of 1 is stored as
)

// feature is one n-gram's bucket and its value in a vector.
type feature struct {
	bucket uint16
	value  float32
}

// plain writes a text as runes in lower case with one space before, between and
// after its words. Apostrophes vanish, what is neither letter nor digit parts words.
func plain(text string, out []rune) []rune {
	out = append(out, ' ')
	for _, r := range text {
		if len(out) == maxRunes {
			break
		}
		switch {
		case r == '\'' || r == '’':
		case r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)):
			out = append(out, unicode.ToLower(r))
		case out[len(out)-1] != ' ':
			out = append(out, ' ')
		}
	}
	if out[len(out)-1] != ' ' {
		out = append(out, ' ')
	}
	return out
}

// grams are the hashes of a text's n-grams. The lower 16 bits are the bucket,
// the next one is the sign.
type grams struct {
	words []uint32 // single ones first, then pairs
	chars []uint32
	count int // of single words
}

// split hashes the n-grams of a text.
func split(text string) grams {
	var room [maxRunes + 1]rune
	runes := plain(text, room[:0])
	g := grams{words: make([]uint32, 0, 32), chars: make([]uint32, 0, (mostRun-leastRun+1)*len(runes))}
	g.words = singles(runes, g.words)
	g.count = len(g.words)
	g.words = pairs(g.words)
	for n := leastRun; n <= mostRun; n++ {
		for i := 0; i+n <= len(runes); i++ {
			g.chars = append(g.chars, hash(0x9d2c, runes[i:i+n]))
		}
	}
	return g
}

// singles hashes the words of a plain text.
func singles(runes []rune, out []uint32) []uint32 {
	for start, i := 1, 1; i < len(runes); i++ {
		if runes[i] == ' ' {
			out = append(out, hash(0x5bd1, runes[start:i]))
			start = i + 1
		}
	}
	return out
}

// pairs adds to the hashes of words those of neighbours; the ends of the text
// are neighbours, too.
func pairs(words []uint32) []uint32 {
	before := uint32(1)
	for _, w := range words[:len(words):len(words)] {
		words = append(words, mixed(uint64(before)<<32|uint64(w)))
		before = w
	}
	return append(words, mixed(uint64(before)<<32|1))
}

// hash is FNV-1a over runes, mixed.
func hash(seed uint64, runes []rune) uint32 {
	h := seed ^ 0xcbf29ce484222325
	for _, r := range runes {
		h = (h ^ uint64(r)) * 0x100000001b3
	}
	return mixed(h)
}

// mixed spreads all bits of a number over 32 (the finisher of SplitMix64).
func mixed(h uint64) uint32 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return uint32(h ^ h>>31)
}

// rarity holds, per bucket, how rare its n-grams are: the root of the inverse
// document frequency, times [rarest].
type rarity [buckets]uint8

// rarities counts in how many of the texts each bucket occurs.
func rarities(texts []grams) *rarity {
	var found [buckets]uint32
	var last [buckets]int
	for i, g := range texts {
		for _, list := range [][]uint32{g.words, g.chars} {
			for _, h := range list {
				if last[uint16(h)] != i+1 {
					last[uint16(h)] = i + 1
					found[uint16(h)]++
				}
			}
		}
	}
	var r rarity
	for b, n := range found {
		idf := math.Log(float64(len(texts)+1)/float64(n+1)) + 1
		r[b] = uint8(min(255, math.Round(math.Sqrt(idf)*rarest)))
	}
	return &r
}

// vector weighs the n-grams of a text: each family sorted, counted, and brought
// to its length. The hashes are sorted in place.
func (r *rarity) vector(g grams, out []feature) []feature {
	out = r.family(g.words, 1, out)
	return r.family(g.chars, charNorm, out)
}

func (r *rarity) family(hashes []uint32, norm float32, out []feature) []feature {
	slices.Sort(hashes)
	first, sum := len(out), float32(0)
	for i := 0; i < len(hashes); {
		h, n := hashes[i], 0
		for ; i < len(hashes) && hashes[i] == h; i++ {
			n++
		}
		v := float32(r[uint16(h)])
		if n > 1 {
			v = float32(v * float32(1+math.Log(float64(n))))
		}
		sum += float32(v * v)
		if h>>16&1 == 1 {
			v = -v
		}
		out = append(out, feature{uint16(h), v})
	}
	if sum > 0 {
		scale := norm / float32(math.Sqrt(float64(sum)))
		for i := first; i < len(out); i++ {
			out[i].value *= scale
		}
	}
	return out
}

// merged adds up the values of equal buckets.
func merged(v []feature) []feature {
	slices.SortFunc(v, func(a, b feature) int { return int(a.bucket) - int(b.bucket) })
	out := v[:0]
	for _, f := range v {
		if n := len(out); n > 0 && out[n-1].bucket == f.bucket {
			out[n-1].value += f.value
			continue
		}
		out = append(out, f)
	}
	return slices.Clip(out)
}
