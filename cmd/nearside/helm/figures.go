package helm

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"nearside/agent"
	"nearside/policy"
	"nearside/policy/trial"
)

// tally counts what came of asks. The zero value counted none.
type tally struct {
	mu      sync.Mutex // guards figures
	figures trial.Figures
}

func (t *tally) now() trial.Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.figures
}

func (t *tally) begin(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.figures.Begun += n
}

func (t *tally) add(o trial.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.figures.Add(o)
}

// Observe gives an observer that counts for the helm, as long as somebody
// steers, and tells next.
func (h *Helm) Observe(next agent.Observer) *Counter { return &Counter{next, h} }

// Counter counts what policies are judged by. It is an agent's observer and
// starter.
type Counter struct {
	agent.Observer
	helm *Helm
}

// Began makes it an agent's starter.
func (c *Counter) Began() { c.helm.figures.begin(1) }

// Finished makes it an agent's observer.
func (c *Counter) Finished(o *agent.Observation) {
	c.Observer.Finished(o)
	if out, counts := outcome(o, c.helm.o.Own); counts {
		out.Kept = c.helm.keeps(o.Withheld)
		c.helm.figures.add(out)
		return
	}
	c.helm.figures.begin(-1)
}

// outcome is what came of an ask as trials count it. What a caller did wrong, or
// too often, says nothing of a policy, nor does what got nothing good for want of
// a network.
func outcome(o *agent.Observation, own func() *agent.Policy) (trial.Outcome, bool) {
	out := trial.Outcome{Gone: o.Status == 0, Local: o.Route == policy.Local, MS: millis(o.Total), CostUSD: o.CostUSD}
	if o.Streamed && o.First > 0 {
		out.MS = millis(o.First)
	}
	answered := o.Status == http.StatusOK
	switch {
	case out.Gone:
	case o.Reason == policy.ReasonOffline && (!answered || o.Degraded):
		return out, false // the network is lost, and no rule had a part in it
	case answered:
		out.Failed = o.Broken
		out.Poor = o.Degraded || unsure(o, own)
	case o.Status >= 500 || o.Status == http.StatusUnprocessableEntity || o.Status == http.StatusTooManyRequests && o.Attempts > 0:
		out.Failed, out.Refused = o.Attempts > 0, o.Attempts == 0
	default:
		return out, false
	}
	return out, true
}

// keeps tells whether a rule of the policy from outside keeps asks on the device
// that its own policy would let go.
func (h *Helm) keeps(rule string) bool {
	if rule == "" {
		return false
	}
	tight := h.tight.Load()
	return tight != nil && (*tight)[rule]
}

// unsure tells whether the device's own policy would have had more of the answer
// that it gave: a policy from outside cannot call poor answers good.
func unsure(o *agent.Observation, own func() *agent.Policy) bool {
	return o.Route == policy.Local && o.Confidence != nil && *o.Confidence < own().Doc.Threshold(strings.TrimPrefix(o.Target, policy.Local+"/"))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
