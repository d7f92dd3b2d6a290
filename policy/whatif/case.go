package whatif

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"nearside/policy"
	"nearside/policy/decide"
)

// Case is what a decision is made from. The document must be valid, see
// policy/valid.
type Case struct {
	Doc     *policy.Document
	Ask     policy.Ask
	Signals policy.Signals
}

func (c *Case) decide() policy.Plan { return decide.Plan(c.Doc, &c.Ask, &c.Signals) }

// Setting is one value that would be another. Field is the name of a signal, a
// name of the ask as in a decision record, time (RFC 3339), targets.NAME. and one
// of usable, p50_ms, error_rate, in_flight, expected.NAME.good, or held.RULE. Nil is not
// known, or for max_cost_usd none.
type Setting struct {
	Field string `json:"field"`
	From  any    `json:"from"`
	To    any    `json:"to"`
}

// Apply is the case with other values, as if they had been so for long; c stays
// as it is. Rules with an until come into force and end accordingly. The error names a field that
// there is not, or a value that it cannot have.
func (c Case) Apply(all ...Setting) (Case, error) {
	was := c.Signals
	for _, s := range all {
		if err := c.set(s.Field, s.To); err != nil {
			return c, err
		}
	}
	if c.Signals.Device != was.Device || c.Signals.Network != was.Network || !c.Signals.Time.Equal(was.Time) {
		c.hold(&was)
	}
	return c, nil
}

func (c *Case) set(field string, v any) error {
	kind, name, _ := strings.Cut(field, ".")
	switch {
	case kind == targets && name != "":
		return c.setTarget(name, v)
	case kind == expected && name != "":
		return c.setExpected(name, v)
	case kind == held && name != "":
		return c.setHeld(name, v)
	case field == timeField:
		return c.setTime(v)
	case slices.Contains(policy.SignalNames(), field):
		return c.Signals.Set(field, v)
	case !setAsk(&c.Ask, field, v):
		return fmt.Errorf("%.40s cannot be %v", field, v)
	}
	return nil
}

// hold has the rules with an until come into force and end as the signals are
// now. One that a dwell keeps as it is, and to which they make no difference,
// stays that way.
func (c *Case) hold(was *policy.Signals) {
	before, now := policy.Settled(c.Doc, was), policy.Settled(c.Doc, &c.Signals)
	var all []string
	for i := range c.Doc.Rules {
		name := c.Doc.Rules[i].Name
		is := slices.Contains(now, name)
		if is == slices.Contains(before, name) {
			is = slices.Contains(was.Held, name)
		}
		if is {
			all = append(all, name)
		}
	}
	c.Signals.Held = all
}

// setHeld has a rule with an until in force, or not.
func (c *Case) setHeld(rule string, v any) error {
	is, ok := v.(bool)
	if !ok {
		return fmt.Errorf("%s.%.40s must be true or false", held, rule)
	}
	c.Signals.Held = slices.DeleteFunc(slices.Clone(c.Signals.Held), func(name string) bool { return name == rule })
	if is {
		c.Signals.Held = append(c.Signals.Held, rule)
	}
	return nil
}

func (c *Case) setTime(v any) error {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("time must be such as 2006-01-02T15:04:05Z: %w", err)
	}
	c.Signals.Time = t
	return nil
}

// setExpected sets the chance of a good answer in NAME.good of an estimate.
func (c *Case) setExpected(field string, v any) error {
	name, ok := strings.CutSuffix(field, good)
	i := slices.IndexFunc(c.Ask.Expected, func(e policy.Estimate) bool { return ok && e.Target == name })
	share, isNumber := v.(float64)
	if i < 0 || !isNumber || !(share >= 0 && share <= 1) {
		return fmt.Errorf("%.80s cannot be %v", field, v)
	}
	c.Ask.Expected = slices.Clone(c.Ask.Expected)
	c.Ask.Expected[i].Good = share
	return nil
}

// How fields begin and end that are not named as they are in conditions.
const (
	targets   = "targets"
	expected  = "expected"
	held      = "held"
	good      = ".good"
	timeField = "time"
)

// setTarget sets NAME.FIGURE; names may have dots.
func (c *Case) setTarget(field string, v any) error {
	dot := strings.LastIndexByte(field, '.')
	i := slices.IndexFunc(c.Signals.Targets, func(t policy.Target) bool { return dot >= 0 && t.Name == field[:dot] })
	if i < 0 {
		return fmt.Errorf("%.80s is no figure of a target there is", field)
	}
	c.Signals.Targets = slices.Clone(c.Signals.Targets)
	if !setFigure(&c.Signals.Targets[i], field[dot+1:], v) {
		return fmt.Errorf("%.80s cannot be %v", field, v)
	}
	return nil
}

func setFigure(t *policy.Target, figure string, v any) bool {
	if usable, ok := v.(bool); ok && figure == "usable" {
		t.Usable, t.Why, t.PauseMS = usable, "", 0
		return true
	}
	n, ok := v.(float64)
	if !ok || !(n >= 0) {
		return false
	}
	switch figure {
	case "p50_ms":
		t.P50MS = &n
	case "error_rate":
		t.ErrorRate = &n
	case "in_flight":
		t.InFlight = int(n)
	default:
		return false
	}
	return true
}

// figure is what a target's figure is now, nil when it is not known.
func figure(t *policy.Target, name string) any {
	switch {
	case name == "in_flight":
		return float64(t.InFlight)
	case name == "p50_ms" && t.P50MS != nil:
		return *t.P50MS
	case name == "error_rate" && t.ErrorRate != nil:
		return *t.ErrorRate
	}
	return nil
}

// setAsk sets a field of the ask, and tells whether it has it.
func setAsk(a *policy.Ask, field string, v any) bool {
	switch v := v.(type) {
	case string:
		return put(askText(a, field), v)
	case bool:
		return put(askFlag(a, field), v)
	case float64:
		return v >= 0 && v <= math.MaxInt32 && setAskNumber(a, field, v)
	case nil:
		a.MaxCost = nil
		return field == maxCost
	}
	return false
}

func put[T any](at *T, v T) bool {
	if at != nil {
		*at = v
	}
	return at != nil
}

func askText(a *policy.Ask, field string) *string {
	switch field {
	case "privacy":
		return &a.Privacy
	case "mode":
		return &a.Mode
	case "task":
		return &a.Task
	case "intent":
		return &a.Intent
	case "caller":
		return &a.Caller
	case "model":
		return &a.Model
	case targetAsked:
		return &a.Target
	}
	return nil
}

func askFlag(a *policy.Ask, field string) *bool {
	switch field {
	case "needs.tools":
		return &a.Needs.Tools
	case "needs.schema":
		return &a.Needs.Schema
	case "needs.vision":
		return &a.Needs.Vision
	case "stream":
		return &a.Stream
	case onlyIfCached:
		return &a.Cache.OnlyIfCached
	}
	return nil
}

// Fields of the ask that no condition tests under these names.
const (
	targetAsked  = "target_asked"
	maxCost      = "max_cost_usd"
	tokensOut    = "size.tokens_out_est"
	onlyIfCached = "cache_control.only_if_cached"
)

func setAskNumber(a *policy.Ask, field string, v float64) bool {
	switch field {
	case "deadline_ms":
		a.DeadlineMS = int64(v)
	case "size.bytes":
		a.Size.Bytes = int(v)
	case "size.tokens_est":
		a.Size.TokensEst = int(v)
	case tokensOut:
		a.Size.TokensOut = int(v)
	case maxCost:
		a.MaxCost = &v
	case "p_in_scope":
		a.Scope = &v
	default:
		return false
	}
	return true
}
