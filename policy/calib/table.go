package calib

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Bounds of a table.
const (
	MaxBins  = 256 // of one class
	MaxTasks = 64  // classes that have bins of their own; labels of others are only pooled
	MaxName  = 128 // bytes of a name
	MaxScore = 1e9 // size of a score
)

// trust is after how many labels of its own a class counts as much as all
// classes together.
const trust = 100

// Model says whose answers a table judges. A table holds only for exactly this
// model.
type Model struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of its file, in hex; or what else identifies it
	Quant  string `json:"quant"`  // such as Q4_1
}

// Table says how good a model's answers are, by their score. It does not
// change; any number of goroutines may read it.
type Table struct {
	model  Model
	pooled record
	tasks  map[string]record
}

// Fit makes the table of a model from judged answers. It refuses no labels,
// and numbers out of bounds by the index of the label.
func Fit(m Model, labels []Label) (*Table, error) {
	if len(labels) == 0 {
		return nil, errors.New("fit calibration: no labels")
	}
	classes := map[string][]Label{}
	for i, l := range labels {
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("fit calibration: label %d: %w", i, err)
		}
		if _, there := classes[l.Task]; l.Task != "" && (there || len(classes) < MaxTasks) {
			classes[l.Task] = append(classes[l.Task], l)
		}
	}
	t := &Table{model: m, pooled: recordOf(bins(labels)), tasks: map[string]record{}}
	for name, own := range classes {
		t.tasks[name] = recordOf(bins(own))
	}
	return t, nil
}

// check tells what is wrong with a label.
func (l Label) check() error {
	switch {
	case len(l.Task) > MaxName:
		return fmt.Errorf("task has %d bytes: at most %d", len(l.Task), MaxName)
	case !(math.Abs(l.Score) <= MaxScore):
		return fmt.Errorf("score is %v: it must be -%g to %g", l.Score, MaxScore, MaxScore)
	case !(l.Good >= 0 && l.Good <= 1):
		return fmt.Errorf("good is %v: it must be 0 to 1", l.Good)
	case l.Gain < -1 || l.Gain > 1:
		return fmt.Errorf("gain is %v: it must be -1 to 1, or NaN", l.Gain)
	case !(l.Weight >= 0 && l.Weight <= 1e6):
		return fmt.Errorf("weight is %v: it must be 0 to 1e6", l.Weight)
	}
	return nil
}

// Model is whose answers the table judges.
func (t *Table) Model() Model { return t.model }

// Tasks are the classes that have labels of their own, in order.
func (t *Table) Tasks() []string {
	var out []string
	for name := range t.tasks {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Good is the chance that an answer of this class and score is good, and how
// many labels of the class it rests on. The class's own curve is shrunk toward
// that of all labels by n/(n+100).
func (t *Table) Good(task string, score float64) (p float64, n int) {
	p = t.pooled.good.At(score)
	own, there := t.tasks[task]
	if !there {
		return p, 0
	}
	return shrink(own.good.At(score), p, float64(own.labels)), own.labels
}

// Gain is what sending an ask of this class and score to the cloud is expected
// to gain, -1 to 1, shrunk like [Table.Good]; ok is false when no label's gain
// is known.
func (t *Table) Gain(task string, score float64) (gain float64, ok bool) {
	if t.pooled.judged == 0 {
		return 0, false
	}
	gain = -t.pooled.loss.At(score)
	if own, there := t.tasks[task]; there && own.judged > 0 {
		gain = shrink(-own.loss.At(score), gain, own.judged)
	}
	return gain, true
}

func shrink(own, pooled, n float64) float64 { return pooled + (own-pooled)*n/(n+trust) }

// Prior is the chance that an answer of this class is good before there is a
// score, and how many labels of the class it rests on.
func (t *Table) Prior(task string) (p float64, n int) {
	p = t.pooled.mean()
	own, there := t.tasks[task]
	if !there {
		return p, 0
	}
	return shrink(own.mean(), p, float64(own.labels)), own.labels
}

// mean is the share of good answers.
func (r *record) mean() float64 {
	good, all := 0.0, 0.0
	for _, b := range r.bins {
		good += b.Good
		all += b.Weight
	}
	return good / all
}

// Bound is the conservative chance that an answer of this score is good: the
// lower bound, with [Confidence], of the nearest hundred labels of all
// classes. It rules where the table is doubted: the model changed, or [Drift]
// raised its alarm.
func (t *Table) Bound(score float64) float64 {
	bins := t.pooled.bins
	at, _ := slices.BinarySearchFunc(bins, score, func(b Bin, s float64) int {
		if b.Score < s {
			return -1
		}
		return 1
	})
	low, high, near := at, at, Bin{}
	for near.Labels < trust && (low > 0 || high < len(bins)) {
		if low == 0 || high < len(bins) && bins[high].Score-score < score-bins[low-1].Score {
			near.add(bins[high])
			high++
			continue
		}
		low--
		near.add(bins[low])
	}
	return near.lower()
}

// Labels is how many labels a class has of its own, or all have for "".
func (t *Table) Labels(task string) int {
	if task == "" {
		return t.pooled.labels
	}
	return t.tasks[task].labels
}
