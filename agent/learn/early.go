package learn

import (
	"time"

	"nearside/agent/decision"
	"nearside/agent/learn/standing"
	"nearside/policy"
)

// early is what is in force before anything was looked up. Where a policy
// relies on what is known, an ask waits for that.
type early struct{ l *Learner }

// Expect makes it an agent's calibration.
func (e early) Expect(doc *policy.Document, ask *policy.Ask, text string, targets []policy.Target) []policy.Estimate {
	if !standing.Relies(doc) {
		return nil
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-e.l.begun:
		return e.l.known.Load().Expect(doc, ask, text, targets)
	case <-late.C:
	}
	none := &standing.Tables{}
	return none.Expect(doc, ask, text, targets)
}

// Judge makes it an agent's calibration.
func (e early) Judge(target string, ask *policy.Ask, sure *float64) decision.Judged {
	return e.l.known.Load().Judge(target, ask, sure)
}
