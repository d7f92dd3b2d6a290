package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearside/policy"
)

// sample is an ordinary ask with its name.
type sample struct {
	name string
	policy.Ask
}

// usual is a short question.
func usual(d *policy.Document, service string) policy.Ask {
	return policy.Ask{
		Service: service, Model: policy.Auto, Mode: policy.Auto, Task: "chat", Privacy: policy.Normal, DeadlineMS: d.Deadline(service),
		Size: policy.Size{Bytes: 200, TokensEst: 30, TokensOut: 512},
	}
}

// samples are about a dozen asks as most apps have them, of the services that
// the targets have.
func samples(d *policy.Document, targets []policy.Target) []sample {
	var all []sample
	add := func(name, service string, change func(*policy.Ask)) {
		a := usual(d, service)
		change(&a)
		all = append(all, sample{name, a})
	}
	for _, service := range services(targets) {
		if service != policy.Chat {
			add(service, service, func(a *policy.Ask) { a.Task = service })
			continue
		}
		add("a question", service, func(*policy.Ask) {})
		add("a stream", service, func(a *policy.Ask) { a.Stream = true })
		add("a repeatable question", service, func(a *policy.Ask) { a.Repeatable = true })
		add("code", service, func(a *policy.Ask) { a.Task = "code" })
		add("math", service, func(a *policy.Ask) { a.Task = "math" })
		add("an open question", service, func(a *policy.Ask) { a.Task = "open" })
		add("a long text", service, func(a *policy.Ask) {
			a.Task, a.Size = "long", policy.Size{Bytes: 8000, TokensEst: 2000, TokensOut: 512}
		})
		add("a call of tools", service, func(a *policy.Ask) { a.Task, a.Needs.Tools = "tools", true })
		add("a form to fill", service, func(a *policy.Ask) { a.Task, a.Needs.Schema = "schema", true })
		add("a private question", service, func(a *policy.Ask) { a.Privacy = policy.Private })
		add("a question in a hurry", service, func(a *policy.Ask) { a.DeadlineMS, a.Size.TokensOut = 10_000, 64 })
	}
	return all
}

const maxServices = 8 // that are looked at

// services are those of the targets, chat first.
func services(targets []policy.Target) []string {
	all := []string{}
	for i := range targets {
		for _, s := range targets[i].Services {
			switch {
			case slices.Contains(all, s):
			case s == policy.Chat:
				all = append([]string{s}, all...)
			default:
				all = append(all, s)
			}
		}
	}
	return all[:min(len(all), maxServices)]
}

// scene is a state of network and targets in which ordinary asks are tried.
type scene struct {
	name    string
	network string
	well    bool // every target can be asked
	hard    bool // to get nothing in it is a fault, not only worth a word
}

// scenes are the days that a device knows. One where bytes cost money may be
// meant to be silent.
func scenes() []scene {
	return []scene{
		{"online", "online", true, true},
		{"online, with the targets as they are", "online", false, true},
		{"offline", "offline", true, true},
		{"on a metered network", "metered", true, false},
	}
}

// signals are those of the scene.
func (c scene) signals(now *policy.Signals) policy.Signals {
	s := *now
	s.Network = c.network
	if !c.well {
		return s
	}
	s.Device, s.Targets = policy.Device{}, slices.Clone(now.Targets)
	for i := range s.Targets {
		s.Targets[i].Usable, s.Targets[i].InFlight, s.Targets[i].ErrorRate = true, 0, nil
	}
	return s
}

// ordinary tries ordinary asks: they must still be answered, and what is
// expected of them must keep to the limits.
func (w *world) ordinary(j *Judgement) error {
	all := samples(w.present, w.basis.Signals.Targets)
	for _, c := range scenes() {
		s := c.signals(&w.basis.Signals)
		if err := w.answered(c, all, &s, j); err != nil {
			return err
		}
		if !c.hard || c.network == "offline" {
			continue
		}
		m := &means{}
		for i := range all {
			w.both(m, &oracle{doc: w.present, ask: &all[i].Ask, sig: &s})
		}
		if err := w.weigh("ordinary asks, "+c.name, append(m.findings(&w.limits, false), w.creep(m, false)...), j); err != nil {
			return err
		}
	}
	return nil
}

// answered looks for ordinary asks for which somebody is asked now and nobody
// would be. Half of them is too many.
func (w *world) answered(c scene, all []sample, s *policy.Signals, j *Judgement) error {
	asked, lost, why := 0, []string(nil), ""
	for i := range all {
		a := &all[i].Ask
		j.Asks++
		if p := settled(w.present, a, s); !anybody(&p) {
			continue
		}
		asked++
		if p := w.best(w.timed(a, w.next), *s); !anybody(p) {
			lost, why = append(lost, all[i].name), cmp.Or(why, reason(p))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	said := fmt.Sprintf("%s: of %d ordinary asks that are answered now %d would get nothing: %s; the first by %s", c.name, asked, len(lost), strings.Join(lost, ", "), why)
	if c.hard && 2*len(lost) >= asked {
		return refuse(AnswersNothing, "%s", said)
	}
	j.warn("%s", said)
	return nil
}

// best is the plan for an ask now, or at another time of the day when nobody is
// asked now: a policy may close the house at night.
func (w *world) best(a *policy.Ask, s policy.Signals) *policy.Plan {
	now := settled(w.next, a, &s)
	for p := now; ; p = settled(w.next, a, &s) {
		if anybody(&p) {
			return &p
		}
		if s.Time = s.Time.Add(6 * time.Hour); s.Time.Sub(w.basis.Signals.Time) >= 24*time.Hour {
			return &now
		}
	}
}

// reason is why a plan asks nobody.
func reason(p *policy.Plan) string {
	if crippled(p) {
		return fmt.Sprintf("%s: answers of %d tokens", p.MainReason(), p.Bounds.TokensOut)
	}
	why := []string{p.MainReason()}
	for _, n := range p.NotChosen {
		if !strings.HasPrefix(n.Why, "rule ") && !strings.HasPrefix(n.Why, "denied by rule ") {
			why = append(why, n.Target+": "+n.Why)
		}
	}
	return strings.Join(why[:min(len(why), 4)], ", ")
}

// weigh adds what was found to the judgement, and refuses where it is harm.
func (w *world) weigh(what string, findings []finding, j *Judgement) error {
	var harm []string
	for _, f := range findings {
		line := what + ": " + f.text
		if f.harm {
			harm = append(harm, line)
		}
		j.Evidence = append(j.Evidence, line)
	}
	if harm != nil {
		return refuse(Harmful, "%s", strings.Join(harm, "; "))
	}
	return nil
}
