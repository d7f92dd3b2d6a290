package simulate

import (
	"cmp"
	"slices"
	"time"

	"nearside/policy"
)

// Scenario is a day as data. Its YAML and JSON names are the same. Times of the
// day are written as "07:30"; what is said of one holds until the next.
type Scenario struct {
	Name    string              `json:"name"`
	About   string              `json:"about"`
	Start   time.Time           `json:"start"`  // midnight of the day; a Monday in UTC when it is left out
	StepS   int                 `json:"step_s"` // seconds between two looks at the device; 0 is 30
	Phases  []Phase             `json:"phases"`
	Asks    []Stream            `json:"asks"`
	Signals map[string]Curve    `json:"signals"` // numbers, by the names of signals; one that is not there is not known
	Flags   map[string]Switches `json:"flags"`   // charging, metered
	Network States              `json:"network"` // "" and none are online
	Targets []Target            `json:"targets"` // in the order of a config
	Outages []Outage            `json:"outages"`
}

// Phase is a part of the day that has a name; it ends where the next begins.
type Phase struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// States are texts by the time from which they hold.
type States map[string]string

// Switches are flags by the time from which they hold.
type Switches map[string]bool

// Curve is a number that moves in straight lines between points, and what a
// sensor's noise adds or takes at most.
type Curve struct {
	Points map[string]float64 `json:"points"`
	Noise  float64            `json:"noise"`
}

// Stream is one kind of ask.
type Stream struct {
	Name       string             `json:"name"`
	PerHour    map[string]float64 `json:"per_hour"` // by the time from which it holds
	Service    string             `json:"service"`  // "" is chat
	Task       string             `json:"task"`     // "" is chat
	Intent     string             `json:"intent"`
	Scope      *float64           `json:"p_in_scope"`
	Caller     string             `json:"caller"`
	Privacy    string             `json:"privacy"`     // "" is normal
	Mode       string             `json:"mode"`        // "" is auto
	DeadlineMS int64              `json:"deadline_ms"` // 0 is what the policy says
	TokensIn   int                `json:"tokens_in"`   // 0 is 30
	TokensOut  int                `json:"tokens_out"`  // 0 is 200
	Vision     bool               `json:"vision"`
	Tools      bool               `json:"tools"`
	Repeats    float64            `json:"repeats"` // share, 0 to 1, that was asked before in the same words
}

// Target is a model of one thing that can answer.
type Target struct {
	Name     string             `json:"name"`     // local/NAME or cloud/NAME
	Services []string           `json:"services"` // none is chat
	MS       float64            `json:"ms"`       // median time of an answer
	Spread   float64            `json:"spread"`   // of it: two thirds are within this factor less 1, such as 0.5; 0 is none
	Errors   float64            `json:"errors"`   // share of calls, 0 to 1, that fail on a good day
	Sure     map[string]float64 `json:"sure"`     // share of answers, by task or default, that pass the check; none: all
	Context  int                `json:"context"`
	Blind    bool               `json:"blind"`
	Price    *policy.Price      `json:"price"`
}

// Outage is a span in which a target does not answer.
type Outage struct {
	Target string `json:"target"`
	From   string `json:"from"`
	To     string `json:"to"`
	Hangs  bool   `json:"hangs"` // calls wait in vain; else they are refused at once
}

const (
	usualStepS = 30
	dayS       = 24 * 60 * 60
)

// monday is the day of a scenario that names none.
var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func (s *Scenario) stepS() int { return cmp.Or(s.StepS, usualStepS) }

func (s *Scenario) start() time.Time {
	if s.Start.IsZero() {
		return monday
	}
	return s.Start
}

// seconds reads a time of the day; it was validated.
func seconds(clock string) int {
	minutes, _ := policy.Clock(clock)
	return minutes * 60
}

// point is a value and the second of the day from which it holds.
type point[T any] struct {
	at int
	is T
}

// track is a series of points in the order of time.
func track[T any](by map[string]T) []point[T] {
	var all []point[T]
	for clock, is := range by {
		all = append(all, point[T]{seconds(clock), is})
	}
	slices.SortFunc(all, func(a, b point[T]) int { return cmp.Compare(a.at, b.at) })
	return all
}

// last is what holds at a second of the day; before the first point what holds
// at its end, as a day goes on from one like it.
func last[T any](track []point[T], at int) T {
	var is T
	if len(track) == 0 {
		return is
	}
	is = track[len(track)-1].is
	for _, p := range track {
		if p.at <= at {
			is = p.is
		}
	}
	return is
}

// between is where a line through the points is at a second of the day. It is
// flat before the first and after the last.
func between(track []point[float64], at int) float64 {
	before := track[0]
	for _, p := range track {
		if p.at > at {
			if before.at > at {
				return p.is
			}
			return before.is + (p.is-before.is)*float64(at-before.at)/float64(p.at-before.at)
		}
		before = p
	}
	return before.is
}

// ask is one ask of the stream.
func (s *Stream) ask(d *policy.Document) policy.Ask {
	service := cmp.Or(s.Service, policy.Chat)
	in := cmp.Or(s.TokensIn, 30)
	return policy.Ask{
		Service: service, Task: cmp.Or(s.Task, "chat"), Intent: s.Intent, Scope: s.Scope, Caller: s.Caller, Model: policy.Auto,
		Mode: cmp.Or(s.Mode, policy.Auto), Privacy: cmp.Or(s.Privacy, policy.Normal),
		DeadlineMS: cmp.Or(s.DeadlineMS, d.Deadline(service)), Repeatable: s.Repeats > 0,
		Size:  policy.Size{Bytes: 4*in + 100, TokensEst: in, TokensOut: cmp.Or(s.TokensOut, 200)},
		Needs: policy.Needs{Vision: s.Vision, Tools: s.Tools},
	}
}
