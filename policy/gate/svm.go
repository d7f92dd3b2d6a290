package gate

import "math"

const (
	svmCost     = 2.0 // of an error; of one on the intent's own side more, as there are few
	svmOwn      = 3.0
	svmRounds   = 30
	svmTolerate = 0.1 // of a projected gradient: enough for ranking
)

// random is SplitMix64: a seed gives the same numbers on every machine.
type random uint64

func (r *random) below(n int) int {
	*r += 0x9e3779b97f4a7c15
	return int(uint64(mixed(uint64(*r))) * uint64(n) >> 32)
}

func (r *random) shuffle(list []int32) {
	for i := len(list) - 1; i > 0; i-- {
		j := r.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// svm learns one intent against the rest: a linear machine with squared hinge
// loss, by dual coordinate descent with shrinking (Hsieh et al. 2008). It works
// for one intent after the other with the same room.
type svm struct {
	vectors [][]feature
	squares []float32 // length of each vector and its constant, squared
	weights []float32 // one per bucket and, last, the constant
	alphas  []float32
	order   []int32
}

func newSVM(vectors [][]feature) *svm {
	s := &svm{
		vectors: vectors, squares: make([]float32, len(vectors)), weights: make([]float32, buckets+1),
		alphas: make([]float32, len(vectors)), order: make([]int32, len(vectors)),
	}
	for i, v := range vectors {
		s.squares[i] = 1
		for _, f := range v {
			s.squares[i] += float32(f.value * f.value)
		}
	}
	return s
}

// learn leaves in s.weights what parts the examples of intent y from the others.
func (s *svm) learn(labels []int, y int, seed uint64) {
	clear(s.weights)
	clear(s.alphas)
	for i := range s.order {
		s.order[i] = int32(i)
	}
	chance, active, bound := random(seed), len(s.order), float32(math.Inf(1))
	for range svmRounds {
		chance.shuffle(s.order[:active])
		left, worst := s.round(labels, y, active, bound)
		active, bound = left, worst
		if worst >= svmTolerate {
			continue
		}
		if left == len(s.order) {
			return
		}
		active, bound = len(s.order), float32(math.Inf(1)) // what was set aside is looked at again
	}
}

// round goes once through the active examples and sets aside those that no
// longer matter. worst is the largest projected gradient it met.
func (s *svm) round(labels []int, y, active int, bound float32) (left int, worst float32) {
	for n := 0; n < active; {
		i := s.order[n]
		side, soft := float32(-1), float32(0.5/svmCost)
		if labels[i] == y {
			side, soft = 1, 0.5/(svmCost*svmOwn)
		}
		slope := float32(side*s.score(i)) - 1 + float32(s.alphas[i]*soft)
		if s.alphas[i] == 0 && slope > bound {
			active--
			s.order[n], s.order[active] = s.order[active], i
			continue
		}
		n++
		if s.alphas[i] == 0 && slope >= 0 {
			continue
		}
		worst = max(worst, slope, -slope)
		s.move(i, side, slope/(s.squares[i]+soft))
	}
	return active, worst
}

// score is that of a training example under the weights so far.
func (s *svm) score(i int32) float32 {
	sum := s.weights[buckets]
	for _, f := range s.vectors[i] {
		sum += float32(s.weights[f.bucket] * f.value)
	}
	return sum
}

// move takes one step along an example's coordinate.
func (s *svm) move(i int32, side, step float32) {
	old := s.alphas[i]
	s.alphas[i] = max(old-step, 0)
	by := float32(side * (s.alphas[i] - old))
	s.weights[buckets] += by
	for _, f := range s.vectors[i] {
		s.weights[f.bucket] += float32(by * f.value)
	}
}
