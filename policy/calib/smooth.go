package calib

import "math"

// faith is how many labels a block of an isotonic curve needs to count as much
// as the smooth curve it is shrunk toward.
const faith = 30

// smooth is the isotonic curve of the points, each block of n labels shrunk
// toward a curve of three coefficients over the rank of X by n/(n+30): small
// blocks, and those at the ends, are mostly chance. It never falls either.
// With chances the smooth curve is logistic (Platt, 1999), else it is a
// parabola. See docs/EVAL.md for what it is worth. Points come with X rising.
func smooth(points []Point, labels int, chances bool) Curve {
	total := weigh(points)
	terms := ranks(points, total)
	rows := make([]row, len(points))
	for i, p := range points {
		rows[i] = row{terms[i], p.Y, p.W / total * math.Min(float64(labels), enough)}
	}
	even := parabola(rows).of
	if chances {
		curve := logistic(rows)
		even = func(x vector) float64 { return sigmoid(curve.of(x)) }
	}
	steps := Isotonic(points)
	sizes := blocks(points, steps)
	mixed := make([]Point, len(points))
	for i, p := range points {
		share := faith / (faith + sizes[i].W/total*float64(labels))
		at := sizes[i].Y
		mixed[i] = Point{X: p.X, Y: at + share*(math.Max(-1, math.Min(1, even(terms[i])))-at), W: p.W}
	}
	return Isotonic(mixed)
}

func weigh(points []Point) (total float64) {
	for _, p := range points {
		total += p.W
	}
	return total
}

// blocks is the block that each point is in.
func blocks(points []Point, steps Curve) []Point {
	out := make([]Point, len(points))
	block, inside := 0, 0.0
	for i, p := range points {
		if inside+p.W/2 > steps[block].W && block < len(steps)-1 {
			block, inside = block+1, 0
		}
		inside += p.W
		out[i] = steps[block]
	}
	return out
}

// vector is the three terms of a smooth curve, or their coefficients.
type vector [3]float64

func (v vector) of(x vector) float64 { return v[0]*x[0] + v[1]*x[1] + v[2]*x[2] }

// ranks are 1, z and z squared, where z rises from -1 to 1 with the share of
// weight below each point.
func ranks(points []Point, total float64) []vector {
	out := make([]vector, len(points))
	below := 0.0
	for i, p := range points {
		z := 2*(below+p.W/2)/total - 1
		out[i] = vector{1, z, z * z}
		below += p.W
	}
	return out
}

// row is one point of a regression.
type row struct {
	x    vector
	y, w float64
}

const (
	ridge  = 0.5  // holds the slopes of a few labels, or of labels that a score parts fully
	enough = 1e4  // labels more than these change nothing
	tiny   = 1e-4 // least weight of a point in a step of the logistic fit
	newton = 25   // steps of the logistic fit
	reach  = 30   // of a coefficient
)

// parabola is fitted by least squares.
func parabola(rows []row) vector {
	var n normal
	for _, r := range rows {
		n.add(r.x, r.w, r.w*r.y)
	}
	return n.solve()
}

// logistic is fitted by Newton's method.
func logistic(rows []row) (c vector) {
	for range newton {
		var n normal
		for _, r := range rows {
			e := c.of(r.x)
			p := sigmoid(e)
			v := math.Max(tiny, p*(1-p))
			n.add(r.x, r.w*v, r.w*(v*e+r.y-p))
		}
		c = n.solve()
	}
	return c
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// normal are the normal equations of a regression on three terms.
type normal struct {
	matrix [3]vector
	right  vector
}

func (n *normal) add(x vector, w, y float64) {
	for i := range x {
		for j := range x {
			n.matrix[i][j] += w * x[i] * x[j]
		}
		n.right[i] += y * x[i]
	}
}

// solve is by elimination; the ridge keeps the matrix from being singular.
func (n *normal) solve() (out vector) {
	a, b := n.matrix, n.right
	for i := range b {
		a[i][i] += ridge
	}
	a[0][0] -= ridge * 0.99 // the mean is hardly held
	for i := range b {
		for k := i + 1; k < len(b); k++ {
			f := a[k][i] / a[i][i]
			for j := i; j < len(b); j++ {
				a[k][j] -= f * a[i][j]
			}
			b[k] -= f * b[i]
		}
	}
	for i := len(b) - 1; i >= 0; i-- {
		for j := i + 1; j < len(b); j++ {
			b[i] -= a[i][j] * out[j]
		}
		out[i] = math.Max(-reach, math.Min(reach, b[i]/a[i][i]))
	}
	return out
}
