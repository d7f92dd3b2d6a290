package calib

import (
	"cmp"
	"slices"
)

// With is the table with labels added, as if it had been fitted from all of
// them. It refuses what [Fit] refuses.
func (t *Table) With(labels []Label) (*Table, error) {
	fresh, err := Fit(t.model, labels)
	if err != nil {
		return nil, err
	}
	sum := &Table{model: t.model, pooled: merged(t.pooled, fresh.pooled), tasks: map[string]record{}}
	for name, own := range t.tasks {
		sum.tasks[name] = merged(own, fresh.tasks[name])
	}
	for name, own := range fresh.tasks {
		if _, there := t.tasks[name]; !there && len(sum.tasks) < MaxTasks {
			sum.tasks[name] = own
		}
	}
	return sum, nil
}

// merged is the record of the bins of both, in at most MaxBins of about equal
// counts. Those at one score are one.
func merged(a, b record) record {
	all := slices.Concat(a.bins, b.bins)
	slices.SortFunc(all, func(x, y Bin) int { return cmp.Compare(x.Score, y.Score) })
	per := 1
	if len(all) > MaxBins {
		per = (a.labels+b.labels)/MaxBins + 1
	}
	var out []Bin
	for i, bin := range all {
		if last := len(out) - 1; i > 0 && (bin.Score == out[last].Score || out[last].Labels < per) {
			out[last].add(bin)
			continue
		}
		out = append(out, bin)
	}
	return recordOf(out)
}
