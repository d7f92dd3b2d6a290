package replay

import (
	"fmt"
	"time"

	"nearside/policy"
	"nearside/policy/decide"
)

// Options say what is replayed by what.
type Options struct {
	New     *policy.Document
	Old     map[string]*policy.Document // those at hand, by their label in records
	Since   time.Time                   // older records are left out
	Workers int                         // how many records are worked on at once; less than 1 is 1
}

// batch is how many records a worker takes at a time.
const batch = 64

// job is some records and the number of the first of them.
type job struct {
	first   int
	records [][]byte
}

// Run replays records, each its JSON. They are given to yield one after the
// other, must not change afterwards, and may be in any order: the report is the
// same. Both documents must be valid.
func Run(o Options, records func(yield func([]byte) bool)) *Report {
	jobs, tallies := make(chan job), make(chan *tally)
	workers := max(1, o.Workers)
	for range workers {
		go work(&o, jobs, tallies)
	}
	deal(jobs, records)
	all := newTally(&o)
	for range workers {
		all.merge(<-tallies)
	}
	return all.report()
}

// deal hands out the records in batches.
func deal(jobs chan<- job, records func(yield func([]byte) bool)) {
	defer close(jobs)
	next := job{first: 1}
	records(func(text []byte) bool {
		next.records = append(next.records, text)
		if len(next.records) == batch {
			jobs <- next
			next = job{first: next.first + batch}
		}
		return true
	})
	jobs <- next
}

func work(o *Options, jobs <-chan job, done chan<- *tally) {
	t := newTally(o)
	for j := range jobs {
		for i, text := range j.records {
			t.take(j.first+i, text)
		}
	}
	done <- t
}

// take replays one record; n is its number, from 1.
func (t *tally) take(n int, text []byte) {
	r, err := Read(text)
	if err != nil {
		t.fault(n, err)
		return
	}
	if !t.o.Since.IsZero() && r.Time.Before(t.o.Since) {
		return
	}
	if !r.planned() {
		t.unplanned++
		return
	}
	old, err := t.recompute(r)
	if err != nil {
		t.fault(n, err)
		return
	}
	t.seen(r)
	plan := decide.Plan(t.o.New, &r.Ask, t.renewed(&r.Signals))
	t.compare(r, old.Main(), &plan)
}

// renewed are the signals as the new policy would have had them: its own rules
// are in force, those of the same name for as long as its own until says.
func (t *tally) renewed(s *policy.Signals) *policy.Signals {
	now := *s
	now.Held, now.HeldSince = policy.Hold(t.o.New, s)
	return &now
}

// recompute is the old plan: decided again where its policy is at hand, else as
// it was recorded.
func (t *tally) recompute(r *Record) (*policy.Plan, error) {
	doc := t.o.Old[r.Policy]
	if doc == nil {
		t.foreign++
		p, err := r.Plan()
		return &p, err
	}
	t.recomputed++
	p := decide.Plan(doc, &r.Ask, &r.Signals)
	if !r.Agrees(&p) {
		t.differing++
		t.differ = least(t.differ, r.ID)
	}
	return &p, nil
}

// compare adds what the new plan changes.
func (t *tally) compare(r *Record, old *policy.Step, plan *policy.Plan) {
	now := plan.Main()
	was := t.known(r)
	is, same := was, lasts(r, old, plan)
	if !same {
		t.estimated++
		is = t.foresee(r, now)
	}
	t.before.add(was)
	t.after.add(is)
	from, to := came(r, old), place(now)
	if same || from == to {
		return
	}
	t.changed++
	t.moves[move{from, to}]++
	t.affected = keep(t.affected, t.change(r, was, is, Change{From: from, To: to, Reason: plan.MainReason()}))
}

// lasts tells whether what was recorded is what would have come of the new plan:
// the same is asked first, or the same kept answer is looked for.
func lasts(r *Record, old *policy.Step, plan *policy.Plan) bool {
	if r.Outcome.Route == policy.StepCache {
		return plan.Steps[0].Kind == policy.StepCache
	}
	return r.Outcome.Route != "" && place(old) == place(plan.Main())
}

// came is who the old plan asked first, or the route of the reply where it asked
// nobody: a kept answer that is looked for may not be there.
func came(r *Record, old *policy.Step) string {
	if route := r.Outcome.Route; route == policy.StepCache || old.Target == "" && route != "" {
		return route
	}
	return place(old)
}

// place is who a step asks first, or its route where it asks nobody.
func place(s *policy.Step) string {
	if s.Target != "" {
		return s.Target
	}
	return s.Route()
}

// fault notes a record that cannot be used.
func (t *tally) fault(n int, err error) {
	t.unreadable++
	t.faults = append(t.faults, fault{n, fmt.Sprintf("record %d: %s", n, err)})
	t.faults = firstFaults(t.faults)
}
