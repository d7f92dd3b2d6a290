package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const (
	folds      = 5
	leaveOuts  = 4
	maxIntents = 1000
	prune      = 1          // a row of no greater weights than this is left out
	maxMemory  = 12_000_000 // bytes that a gate takes, without its names
)

// Example is a text and what it asks for, or [Outside].
type Example struct {
	Text  string `json:"text"`
	Label string `json:"label"`
}

// Options of [Train]. The zero value will do.
type Options struct {
	Seed     uint64
	Memory   int                      // bytes that the gate may take, without its names; 0 is 12,000,000
	Progress func(done, of int) error // called after every part of the work, which ends with its error; nil: nobody looks
}

// About is what a gate knows of its making.
type About struct {
	Examples int     `json:"examples"` // in scope
	Outside  int     `json:"outside"`  // examples labelled [Outside]
	Seed     uint64  `json:"seed"`
	Accuracy float64 `json:"accuracy"` // share of examples given their intent by a gate that had not seen them
}

// About tells of the gate's making.
func (g *Gate) About() About { return g.about }

// Train makes a gate, and a report on how well it will do: every figure comes
// from gates that were made without the examples they are judged by. It takes
// two intents or more; an error says what is missing.
//
// Where a probability is wanted that a text is in scope, examples from outside
// are needed: those labelled [Outside], and, since these are few at best, those
// of intents that a gate was made without.
func Train(examples []Example, o Options) (*Gate, *Report, error) {
	c, err := newCorpus(examples)
	if err != nil {
		return nil, nil, err
	}
	if c.room = room(len(c.intents), cmp.Or(o.Memory, maxMemory)); c.room < 1 {
		return nil, nil, fmt.Errorf("a gate of %d intents takes more than %d bytes", len(c.intents), o.Memory)
	}
	work := &progress{of: folds + leaveOuts + 1, tell: o.Progress}
	report := newReport(c)
	if err := c.crossed(o.Seed, work, report); err != nil {
		return nil, nil, err
	}
	if err := c.leftOut(o.Seed, work, report); err != nil {
		return nil, nil, err
	}
	g := c.fit(func(int) bool { return true }, o.Seed)
	if err := work.step(); err != nil {
		return nil, nil, err
	}
	g.judge = newJudge(report.judged())
	g.about = About{Examples: len(c.texts) - c.outside, Outside: c.outside, Seed: o.Seed}
	g.about.Accuracy = report.finish(&g.judge)
	return g, report, nil
}

type progress struct {
	done, of int
	tell     func(done, of int) error
}

func (p *progress) step() error {
	p.done++
	if p.tell == nil {
		return nil
	}
	return p.tell(p.done, p.of)
}

// corpus is the examples as the trainer wants them.
type corpus struct {
	texts   []string
	labels  []int // of intents; -1 is [Outside]
	fold    []int // of each text, even over every label
	intents []string
	outside int
	room    int // for rows of weights
}

func newCorpus(examples []Example) (*corpus, error) {
	c := &corpus{}
	for _, e := range examples {
		if e.Label != Outside {
			c.intents = append(c.intents, e.Label)
		}
	}
	slices.Sort(c.intents)
	c.intents = slices.Compact(c.intents)
	if n := len(c.intents); n < 2 || n > maxIntents {
		return nil, fmt.Errorf("there are examples of %d intents; a gate takes 2 to %d", n, maxIntents)
	}
	seen := map[int]int{}
	for _, e := range examples {
		y, ok := slices.BinarySearch(c.intents, e.Label)
		if !ok {
			y = -1
			c.outside++
		}
		c.texts, c.labels, c.fold = append(c.texts, e.Text), append(c.labels, y), append(c.fold, seen[y]%folds)
		seen[y]++
	}
	for y, name := range c.intents {
		if seen[y] < 2 {
			return nil, fmt.Errorf("intent %q has one example; 2 is the least, 20 or more do well", name)
		}
	}
	return c, nil
}

// crossed judges every example by a gate made without its fold.
func (c *corpus) crossed(seed uint64, work *progress, r *Report) error {
	for f := range folds {
		g := c.fit(func(i int) bool { return c.fold[i] != f }, seed)
		for i, text := range c.texts {
			if c.fold[i] == f {
				r.crossed(c.labels[i], g.look(text))
			}
		}
		if err := work.step(); err != nil {
			return err
		}
	}
	return nil
}

// leftOut judges examples by gates made without their intent.
func (c *corpus) leftOut(seed uint64, work *progress, r *Report) error {
	order := make([]int32, len(c.intents))
	for i := range order {
		order[i] = int32(i)
	}
	chance := random(seed)
	chance.shuffle(order)
	group := make([]int, len(c.intents))
	for i, y := range order {
		group[y] = i % leaveOuts
	}
	for f := range leaveOuts {
		out := func(i int) bool { return c.labels[i] >= 0 && group[c.labels[i]] == f }
		g := c.fit(func(i int) bool { return !out(i) }, seed)
		for i, text := range c.texts {
			if out(i) {
				r.leftOut(g.look(text))
			}
		}
		if err := work.step(); err != nil {
			return err
		}
	}
	return nil
}

// fit makes a gate of some of the examples, without a judge.
func (c *corpus) fit(use func(i int) bool, seed uint64) *Gate {
	g := &Gate{intents: c.intents, met: make([]bits, len(c.intents))}
	var texts []grams
	var labels []int
	for i, text := range c.texts {
		if !use(i) {
			continue
		}
		t := split(text)
		for _, h := range t.words[:t.count] {
			g.words.add(uint16(h))
		}
		texts, labels = append(texts, t), append(labels, c.labels[i])
	}
	g.rare = rarities(texts)
	vectors := make([][]feature, len(texts))
	for i := range texts {
		vectors[i] = merged(g.rare.vector(texts[i], nil))
		if labels[i] >= 0 {
			g.meet(labels[i], vectors[i])
		}
	}
	g.pack(learnAll(vectors, labels, len(c.intents), seed), c.room)
	return g
}

// meet notes the buckets of an example.
func (g *Gate) meet(intent int, vector []feature) {
	for _, f := range vector {
		g.met[intent].add(f.bucket)
	}
}

// coarse is one intent's weights in eight bits.
type coarse struct {
	scale, bias float32
	weights     []int8
}

// learnAll learns every intent, on two goroutines; which one learned it makes
// no difference.
func learnAll(vectors [][]feature, labels []int, intents int, seed uint64) []coarse {
	all := make([]coarse, intents)
	done := make(chan struct{})
	for half := range 2 {
		go func() {
			s := newSVM(vectors)
			for y := half; y < intents; y += 2 {
				s.learn(labels, y, seed+uint64(y))
				all[y] = coarsen(s.weights)
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	return all
}

// coarsen rounds weights to eight bits.
func coarsen(weights []float32) coarse {
	c := coarse{bias: weights[buckets], weights: make([]int8, buckets)}
	most := float32(0)
	for _, w := range weights[:buckets] {
		most = max(most, w, -w)
	}
	if most == 0 {
		return c
	}
	c.scale = most / math.MaxInt8
	for i, w := range weights[:buckets] {
		c.weights[i] = int8(math.Round(float64(w / c.scale)))
	}
	return c
}

// pack lays the weights of all intents out by bucket, and leaves out buckets
// that say nothing, or least where there is no room: these share row 0.
func (g *Gate) pack(all []coarse, room int) {
	for _, c := range all {
		g.scale, g.bias = append(g.scale, c.scale), append(g.bias, c.bias)
	}
	g.rows = make([]uint16, buckets)
	row := make([]int8, len(all))
	g.weights = append([]int8{}, row...)
	for _, b := range telling(all, room) {
		for y := range all {
			row[y] = all[y].weights[b]
		}
		g.rows[b] = uint16(len(g.weights) / len(all))
		g.weights = append(g.weights, row...)
	}
	g.weights = slices.Clip(g.weights)
}

// telling are the buckets that get a row, in order: those with the greatest
// weights, as many as there is room for.
func telling(all []coarse, room int) []int {
	var list []int
	most := make([]int8, buckets)
	for b := range most {
		for y := range all {
			most[b] = max(most[b], all[y].weights[b], -all[y].weights[b])
		}
		if most[b] > prune {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return int(most[b]) - int(most[a]) })
	list = list[:min(len(list), room)]
	slices.Sort(list)
	return list
}

// room is how many rows of weights a gate of so many intents may have beside
// row 0, to take no more than so many bytes.
func room(intents, memory int) int {
	g := Gate{rows: make([]uint16, buckets), rare: new(rarity), met: make([]bits, intents), scale: make([]float32, intents)}
	return min((memory-g.Bytes())/intents, buckets) - 1
}
