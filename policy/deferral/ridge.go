package deferral

// problem is a ridge regression with an intercept: rows of features, what is
// to be foretold of each and how much each counts, of which the mean is 1.
type problem struct {
	rows   [][]feature
	y      []float64
	weight []float64
	lambda float64
	mean   []float64 // of each feature
}

const (
	rounds = 60   // of conjugate gradients; this problem needs about 15
	enough = 1e-8 // share of the first residual's square that may be left
)

// solve finds weights and intercept that make the weighted squares of the
// errors plus lambda times the squares of the weights least, by conjugate
// gradients (Hestenes and Stiefel, 1952): with a strong lambda they need few
// rounds, and no matrix is ever made.
func (p *problem) solve() (w []float64, intercept float64) {
	base := p.base()
	p.centre()
	rest := make([]float64, width)
	for i, row := range p.rows {
		add(rest, row, p.weight[i]*(p.y[i]-base))
	}
	w = make([]float64, width)
	way := append([]float64(nil), rest...)
	left := square(rest)
	for first, round := left, 0; round < rounds && left > enough*first; round++ {
		bent := p.bend(way)
		step := left / inner(way, bent)
		for i := range w {
			w[i] += step * way[i]
			rest[i] -= step * bent[i]
		}
		now := square(rest)
		for i := range way {
			way[i] = rest[i] + now/left*way[i]
		}
		left = now
	}
	return w, base - inner(w, p.mean)
}

// base is the mean of what is to be foretold.
func (p *problem) base() float64 { return inner(p.weight, p.y) / float64(len(p.y)) }

// centre finds the means of the features.
func (p *problem) centre() {
	p.mean = make([]float64, width)
	n := float64(len(p.rows))
	for i, row := range p.rows {
		add(p.mean, row, p.weight[i]/n)
	}
}

// bend multiplies v by the matrix of the problem, of centred features.
func (p *problem) bend(v []float64) []float64 {
	out := make([]float64, width)
	middle, total := inner(v, p.mean), 0.0
	for i, row := range p.rows {
		d := p.weight[i] * (dot(row, v) - middle)
		total += d
		add(out, row, d)
	}
	for i := range out {
		out[i] += p.lambda*v[i] - total*p.mean[i]
	}
	return out
}

// add adds a times the row to v.
func add(v []float64, row []feature, a float64) {
	for _, f := range row {
		v[f.at] += a * f.v
	}
}

func inner(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func square(v []float64) float64 { return inner(v, v) }

// dot is the product of a text's features with weights.
func dot[T float32 | float64](x []feature, w []T) float64 {
	sum := 0.0
	for _, f := range x {
		sum += f.v * float64(w[f.at])
	}
	return sum
}
