package gate

import "math"

// signs are what tells a right verdict from a wrong one: the best score, its
// lead, its share of all scores, the share of unknown words, the number of
// words, how much of the text is known from examples of the intent, and by how
// much more than from those of the next.
type signs [7]float64

// judge turns signs into a probability: a logistic over signs brought to mean 0
// and spread 1.
type judge struct {
	Mean   signs   `json:"mean"`
	Spread signs   `json:"spread"`
	Weight signs   `json:"weight"`
	Bias   float64 `json:"bias"`
}

// judged is a verdict whose truth is known.
type judged struct {
	signs  signs
	right  bool
	weight float64
}

func (j *judge) confidence(s signs) float64 {
	z := j.Bias
	for i := range s {
		z += float64(j.Weight[i] * j.scaled(s, i))
	}
	return 1 / (1 + math.Exp(-z))
}

// scaled keeps a sign within what an example could show.
func (j *judge) scaled(s signs, i int) float64 {
	return min(max((s[i]-j.Mean[i])/j.Spread[i], -6), 6)
}

const (
	ridge       = 1e-3 // on the weights of a judge, per example
	leastSpread = 1e-3
)

// newJudge fits a judge to verdicts by Newton's method. What it is to say of a
// right one is a little less than 1, of a wrong one a little more than 0, the
// more so the fewer there are (Platt 1999): a few that are all right prove little.
func newJudge(list []judged) judge {
	j := spread(list)
	want := targets(list)
	for range 30 {
		var slope [8]float64
		var bend [8][8]float64
		total := j.slopes(list, want, &slope, &bend)
		for i := range j.Weight {
			slope[i] += ridge * total * j.Weight[i]
			bend[i][i] += ridge * total
		}
		bend[7][7] += 1e-9
		step := solve(bend, slope)
		for i := range j.Weight {
			j.Weight[i] -= step[i]
		}
		j.Bias -= step[7]
	}
	return j
}

// targets are what a judge should say of a wrong and of a right verdict.
func targets(list []judged) [2]float64 {
	rights := 0.0
	for _, e := range list {
		if e.right {
			rights++
		}
	}
	return [2]float64{1 / (float64(len(list)) - rights + 2), (rights + 1) / (rights + 2)}
}

// spread measures mean and spread of every sign.
func spread(list []judged) judge {
	var j judge
	total := 0.0
	for _, e := range list {
		total += e.weight
		for i, s := range e.signs {
			j.Mean[i] += e.weight * s
			j.Spread[i] += e.weight * s * s
		}
	}
	for i := range j.Mean {
		j.Mean[i] /= total
		j.Spread[i] = max(math.Sqrt(max(j.Spread[i]/total-j.Mean[i]*j.Mean[i], 0)), leastSpread)
	}
	return j
}

// slopes adds up gradient and curvature of the loss.
func (j *judge) slopes(list []judged, want [2]float64, slope *[8]float64, bend *[8][8]float64) (total float64) {
	for _, e := range list {
		p := j.confidence(e.signs)
		miss := p - want[0]
		if e.right {
			miss = p - want[1]
		}
		x := [8]float64{7: 1}
		for i := range e.signs {
			x[i] = j.scaled(e.signs, i)
		}
		total += e.weight
		for a := range x {
			slope[a] += e.weight * miss * x[a]
			for b := range x {
				bend[a][b] += e.weight * max(p*(1-p), 1e-6) * x[a] * x[b]
			}
		}
	}
	return total
}

// solve is Gauss's elimination; the matrix is positive definite.
func solve(m [8][8]float64, v [8]float64) [8]float64 {
	for i := range v {
		for k := i + 1; k < len(v); k++ {
			f := m[k][i] / m[i][i]
			for c := i; c < len(v); c++ {
				m[k][c] -= f * m[i][c]
			}
			v[k] -= f * v[i]
		}
	}
	for i := len(v) - 1; i >= 0; i-- {
		for c := i + 1; c < len(v); c++ {
			v[i] -= m[i][c] * v[c]
		}
		v[i] /= m[i][i]
	}
	return v
}
