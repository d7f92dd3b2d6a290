package calib

import (
	"cmp"
	"slices"
	"sort"
)

// Point is one labelled value: at X, Y was seen, with weight W > 0.
type Point struct{ X, Y, W float64 }

// Curve is a function that never falls, as made by [Isotonic]: its knots, X
// rising. The zero value has no knots.
type Curve []Point

// Isotonic is the function that never falls and is nearest to the points by
// weighted least squares, by pool adjacent violators (Barlow, Bartholomew,
// Bremner and Brunk, 1972). Each knot is one block of it, at the mean X of its
// points: between blocks it rises linearly instead of in steps (centred
// isotonic regression, Oron and Flournoy, 2017), so that unequal scores keep
// their order. Points at the same X count as one.
func Isotonic(points []Point) Curve {
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
	var c Curve
	for i, p := range sorted {
		c = append(c, p)
		if i > 0 && p.X == sorted[i-1].X {
			c = c.merge()
		}
		for last := i == len(sorted)-1 || p.X != sorted[i+1].X; last && len(c) > 1 && c[len(c)-2].Y >= c[len(c)-1].Y; {
			c = c.merge()
		}
	}
	return c
}

// merge makes one block of the last two.
func (c Curve) merge() Curve {
	a, b := c[len(c)-2], c[len(c)-1]
	w := a.W + b.W
	c[len(c)-2] = Point{X: (a.X*a.W + b.X*b.W) / w, Y: (a.Y*a.W + b.Y*b.W) / w, W: w}
	return c[:len(c)-1]
}

// At is the curve's value at x: linear between knots, level beyond them, and 0
// where there are none.
func (c Curve) At(x float64) float64 {
	i := sort.Search(len(c), func(i int) bool { return c[i].X > x })
	switch {
	case len(c) == 0:
		return 0
	case i == 0:
		return c[0].Y
	case i == len(c):
		return c[i-1].Y
	}
	a, b := c[i-1], c[i]
	return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
}
