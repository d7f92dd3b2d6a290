// Package past reads decisions of the past from their records: what decide.Plan
// was given, and what it made of it. Records come from outside, so that nothing
// in them is taken for granted. It is pure and knows only the standard library
// and policy.
package past

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"nearside/policy"
)

// Decision is the part of a record that explains it.
type Decision struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	policy.Ask
	Signals policy.Signals `json:"signals"`
	Policy  string         `json:"policy"` // that decided, VERSION@DIGEST
	policy.Plan
}

// Bounds of a record.
const (
	maxTargets = 64
	maxFigure  = 1e9
)

// Read reads a record. What no daemon can have written is refused: the error is a
// [policy.Problem] with the field and what would be right.
func Read(text []byte) (*Decision, error) {
	r := &Decision{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, policy.Problem{Message: fmt.Sprintf("is no decision record: %.200s", err)}
	}
	for _, x := range []struct {
		ok    bool
		field string
		want  string
	}{
		{r.Service != "", "service", "must be there, such as chat"},
		{slices.Contains([]string{policy.Auto, policy.Local, policy.Cloud}, r.Mode), "mode", "must be auto, local or cloud"},
		{r.Privacy == policy.Normal || r.Privacy == policy.Private, "privacy", "must be normal or private"},
		{sane(float64(r.DeadlineMS)), "deadline_ms", "must be from 0 to 1e9"},
		{sane(float64(r.Size.Bytes), float64(r.Size.TokensEst), float64(r.Size.TokensOut)), "size", "must have numbers from 0 to 1e9"},
		{r.MaxCost == nil || sane(*r.MaxCost), "max_cost_usd", "must be from 0 to 1e9"},
		{len(r.Expected) <= maxTargets && !slices.ContainsFunc(r.Expected, wild), "expected", "must have chances from 0 to 1, and gains from -1 to 1"},
		{within(&r.Signals), "signals", "must have each signal within its bounds"},
		{len(r.Signals.Targets) > 0 && len(r.Signals.Targets) <= maxTargets, "signals.targets", "must be 1 to 64"},
		{!slices.ContainsFunc(r.Signals.Targets, odd), "signals.targets", "must be local/NAME or cloud/NAME, with figures from 0 to 1e9, error rates to 1"},
	} {
		if !x.ok {
			return nil, policy.Problem{Path: x.field, Message: x.want}
		}
	}
	return r, nil
}

// sane tells whether all are figures that a daemon can have.
func sane(all ...float64) bool {
	return !slices.ContainsFunc(all, func(n float64) bool { return !(n >= 0 && n <= maxFigure) })
}

// wild tells whether an estimate is not within its bounds.
func wild(e policy.Estimate) bool {
	share := func(n *float64) bool { return n == nil || *n >= 0 && *n <= 1 }
	return !share(&e.Good) || !share(e.Threshold) || e.Gain != nil && !(*e.Gain >= -1 && *e.Gain <= 1)
}

// within tells whether the device's signals can be what they are said to be.
func within(s *policy.Signals) bool {
	return !slices.ContainsFunc(policy.SignalNames(), func(name string) bool {
		v := policy.Value(name, &policy.Ask{}, s)
		return v != nil && new(policy.Signals).Set(name, v) != nil
	})
}

// odd tells whether no daemon has such a target.
func odd(t policy.Target) bool {
	figures := []float64{float64(t.InFlight), float64(t.Context), float64(t.PauseMS), float64(t.Weight)}
	for _, n := range []*float64{t.P50MS, t.P95MS, t.ErrorRate, t.BytesPerToken} {
		if n != nil {
			figures = append(figures, *n)
		}
	}
	if t.Price != nil {
		figures = append(figures, t.Price.Input, t.Price.Output)
	}
	if t.ErrorRate != nil && *t.ErrorRate > 1 {
		return true
	}
	return !strings.HasPrefix(t.Name, "local/") && !strings.HasPrefix(t.Name, "cloud/") || !sane(figures...)
}
