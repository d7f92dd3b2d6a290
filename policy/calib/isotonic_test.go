package calib_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nearside/policy/calib"
)

func TestIsotonic(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []calib.Point
		want   calib.Curve
	}{
		{"nothing", nil, nil},
		{"one", []calib.Point{{2, 0.5, 1}}, calib.Curve{{2, 0.5, 1}}},
		{"rising stays", []calib.Point{{1, 0, 1}, {2, 1, 1}}, calib.Curve{{1, 0, 1}, {2, 1, 1}}},
		{"falling is pooled", []calib.Point{{1, 1, 1}, {2, 0, 1}}, calib.Curve{{1.5, 0.5, 2}}},
		{"weights count", []calib.Point{{1, 1, 3}, {2, 0, 1}}, calib.Curve{{1.25, 0.75, 4}}},
		{"pooling goes back", []calib.Point{{1, 0.5, 1}, {2, 0.75, 1}, {3, 0.25, 1}, {4, 0, 1}}, calib.Curve{{2.5, 0.375, 4}}},
		{"equal scores are one", []calib.Point{{1, 1, 1}, {1, 0, 1}, {2, 1, 1}}, calib.Curve{{1, 0.5, 2}, {2, 1, 1}}},
		{"order does not matter", []calib.Point{{3, 1, 1}, {1, 0, 1}}, calib.Curve{{1, 0, 1}, {3, 1, 1}}},
	} {
		if got := calib.Isotonic(c.points); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCurveAt(t *testing.T) {
	c := calib.Curve{{1, 0.2, 1}, {3, 0.6, 1}}
	for x, want := range map[float64]float64{0: 0.2, 1: 0.2, 2: 0.4, 3: 0.6, 9: 0.6} {
		if got := c.At(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("at %v: got %v, want %v", x, got, want)
		}
	}
	if got := (calib.Curve{}).At(1); got != 0 {
		t.Errorf("a curve without knots is %v", got)
	}
}

// TestIsotonicIsBest compares with every way to cut few points into blocks.
func TestIsotonicIsBest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		points := make([]calib.Point, 1+r.IntN(8))
		for i := range points {
			points[i] = calib.Point{X: float64(i), Y: float64(r.IntN(4)) / 3, W: float64(1 + r.IntN(3))}
		}
		c := calib.Isotonic(points)
		if !slices.IsSortedFunc(c, func(a, b calib.Point) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Y, b.Y)) }) {
			t.Fatalf("%v falls: %v", points, c)
		}
		if got, want := squares(points, c), leastSquares(points); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%v: squares are %v, the least are %v", points, got, want)
		}
	}
}

// squares are the squared errors of the blocks of a curve.
func squares(points []calib.Point, c calib.Curve) float64 {
	sum, block, inside := 0.0, 0, 0.0
	for _, p := range points {
		if inside >= c[block].W-1e-9 {
			block, inside = block+1, 0
		}
		inside += p.W
		sum += p.W * (p.Y - c[block].Y) * (p.Y - c[block].Y)
	}
	return sum
}

// leastSquares tries every way to cut the points into blocks whose means do not
// fall.
func leastSquares(points []calib.Point) float64 {
	best := math.Inf(1)
	for cuts := range 1 << (len(points) - 1) {
		sum, last, ok := 0.0, math.Inf(-1), true
		for from, i := 0, 0; i < len(points); i++ {
			if i+1 < len(points) && cuts>>i&1 == 0 {
				continue
			}
			mean, off := block(points[from : i+1])
			sum, ok, last, from = sum+off, ok && mean >= last-1e-12, mean, i+1
		}
		if ok {
			best = min(best, sum)
		}
	}
	return best
}

func block(points []calib.Point) (mean, off float64) {
	w := 0.0
	for _, p := range points {
		mean += p.W * p.Y
		w += p.W
	}
	mean /= w
	for _, p := range points {
		off += p.W * (p.Y - mean) * (p.Y - mean)
	}
	return mean, off
}
