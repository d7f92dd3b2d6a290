package audit

import (
	"context"
	"encoding/json"
	"time"
)

// purseFact is the fact that holds what audits took of a day's budget.
const purseFact = "learn_audits"

// Purse is what audits took of a day's budget. It is written before a call is
// made, so that no kill lets more be spent.
type Purse struct {
	Day   string  `json:"day"` // UTC
	Calls int     `json:"calls"`
	USD   float64 `json:"usd"`
}

// purse is that of today. A clock that was set back goes on with the latest
// day, and what cannot be read is as if all were spent.
func (a *Auditor) purse(ctx context.Context) (p Purse, ok bool) {
	f := a.parts.Facts()
	if f == nil {
		return p, false
	}
	text, there, err := f.Fact(ctx, purseFact)
	if err != nil || there && json.Unmarshal([]byte(text), &p) != nil {
		return p, false
	}
	if today := a.parts.Now().UTC().Format(time.DateOnly); today > p.Day {
		p = Purse{Day: today}
	}
	return p, true
}

// spend takes a call of at most so many USD out of the day's budget.
func (a *Auditor) spend(ctx context.Context, p Purse, usd float64) bool {
	p.Calls, p.USD = p.Calls+1, p.USD+usd
	text, err := json.Marshal(p)
	if err != nil || a.parts.Facts().SetFact(ctx, purseFact, string(text)) != nil {
		return false
	}
	a.taken.Store(&p)
	return true
}
