package simulate

import "math"

// chance is a source of numbers that look random and are the same for the same
// seed: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014).
type chance struct{ state uint64 }

func (c *chance) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	z := c.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// share is from 0 to 1, 1 not included.
func (c *chance) share() float64 { return float64(c.next()>>11) / (1 << 53) }

// happens is true with the probability p.
func (c *chance) happens(p float64) bool { return c.share() < p }

// about is 1 on the median, and further from it the wider the spread: its
// logarithm is normal, as times of answers are.
func (c *chance) about(spread float64) float64 {
	normal := math.Sqrt(-2*math.Log(1-c.share())) * math.Cos(2*math.Pi*c.share())
	return math.Exp(math.Log1p(spread) * normal)
}
