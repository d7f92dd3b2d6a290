package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"nearside/policy"
)

// Record is what is read of a decision record.
type Record struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	policy.Ask
	Signals   policy.Signals  `json:"signals"`
	Policy    string          `json:"policy"` // VERSION@first 8 hex of the digest
	Steps     json.RawMessage `json:"plan"`
	NotChosen json.RawMessage `json:"not_chosen"`
	Reason    string          `json:"reason"`
	Outcome   Outcome         `json:"outcome"`
}

// Outcome is how the request ended.
type Outcome struct {
	Route     string   `json:"route"` // local, cloud, cache, stale, default, none
	Target    string   `json:"target"`
	TotalMS   int64    `json:"total_ms"`
	TokensIn  *int     `json:"tokens_in"`
	TokensOut *int     `json:"tokens_out"`
	CostUSD   *float64 `json:"cost_usd"`
	Degraded  bool     `json:"degraded"`
}

// Bounds of a record that is read.
const (
	MaxBytes   = 1 << 20
	maxTargets = 1000
	maxName    = 200
)

// Read takes a record from its JSON. The error names the field.
func Read(text []byte) (*Record, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("is %d bytes long; a record has at most %d", len(text), MaxBytes)
	}
	r := &Record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("is no decision record: %w", err)
	}
	switch {
	case r.ID == "":
		return nil, errors.New("id is missing: this is no decision record")
	case r.Time.IsZero():
		return nil, errors.New("time is missing; it must be as 2026-01-31T12:00:00Z")
	case r.Service == "":
		return nil, errors.New("service is missing; it is such as chat")
	case len(r.Signals.Targets) > maxTargets:
		return nil, fmt.Errorf("signals.targets has %d entries; at most %d are taken", len(r.Signals.Targets), maxTargets)
	}
	if err := r.plain(); err != nil {
		return nil, err
	}
	return r, r.bounded()
}

// plain refuses names that would do something to a terminal.
func (r *Record) plain() error {
	names := []string{r.ID, r.Policy, r.Task, r.Service, r.Outcome.Route}
	for i := range r.Signals.Targets {
		names = append(names, r.Signals.Targets[i].Name)
	}
	for _, n := range names {
		if len(n) > maxName || strings.ContainsFunc(n, func(c rune) bool { return !unicode.IsPrint(c) }) {
			return fmt.Errorf("the name %.60q is too long or cannot be printed", n)
		}
	}
	return nil
}

// most is more than any figure of a record is in this world; sums of a million
// such are still numbers.
const most = 1e12

// bounded says which figure cannot be.
func (r *Record) bounded() error {
	o, z := &r.Outcome, &r.Size
	figures := []figure{
		{"size.bytes", float64(z.Bytes)}, {"size.tokens_est", float64(z.TokensEst)}, {"size.tokens_out_est", float64(z.TokensOut)},
		{"outcome.total_ms", float64(o.TotalMS)}, {"outcome.tokens_in", value(o.TokensIn)}, {"outcome.tokens_out", value(o.TokensOut)},
		{"outcome.cost_usd", value(o.CostUSD)}, {"max_cost_usd", value(r.MaxCost)},
	}
	for i := range r.Signals.Targets {
		t := &r.Signals.Targets[i]
		figures = append(figures, figure{"p50_ms", value(t.P50MS)}, figure{"p95_ms", value(t.P95MS)}, figure{"error_rate", value(t.ErrorRate)})
		if t.Price != nil {
			figures = append(figures, figure{"price.input", t.Price.Input}, figure{"price.output", t.Price.Output})
		}
	}
	for _, f := range figures {
		if !(f.x >= 0 && f.x <= most) {
			return fmt.Errorf("%s is %v; it must be from 0 to %v", f.name, f.x, float64(most))
		}
	}
	return nil
}

type figure struct {
	name string
	x    float64
}

// value is a figure as a number, 0 when it is not known.
func value[N int | float64](n *N) float64 {
	if n == nil {
		return 0
	}
	return float64(*n)
}

// planned tells whether there was a plan: a request that was refused for what
// it asked for has a record and no plan.
func (r *Record) planned() bool { return len(r.Steps) > 0 && string(r.Steps) != "null" }

// Plan is the plan that was recorded.
func (r *Record) Plan() (policy.Plan, error) {
	p := policy.Plan{Reason: r.Reason}
	if err := json.Unmarshal(r.Steps, &p.Steps); err != nil {
		return p, fmt.Errorf("plan: %w", err)
	}
	if err := json.Unmarshal(r.NotChosen, &p.NotChosen); err != nil {
		return p, fmt.Errorf("not_chosen: %w", err)
	}
	if n := len(p.Steps); n == 0 || p.Steps[n-1].Kind == policy.StepCache {
		return p, errors.New("plan: it has no end")
	}
	return p, nil
}

// Agrees tells whether the plan is the one that was recorded, to the letter.
func (r *Record) Agrees(p *policy.Plan) bool {
	return r.Reason == p.Reason && agrees(r.Steps, p.Steps) && agrees(r.NotChosen, p.NotChosen)
}

// agrees compares JSON with a value: mostly they are the same bytes, else what
// they say counts.
func agrees[T any](raw json.RawMessage, now T) bool {
	text, err := json.Marshal(now)
	if err != nil || bytes.Equal(text, raw) {
		return err == nil
	}
	var then T
	if json.Unmarshal(raw, &then) != nil {
		return false
	}
	again, err := json.Marshal(then)
	return err == nil && bytes.Equal(text, again)
}
