package agent

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"nearside/agent/decision"
	"nearside/agent/kept"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/policy"
	"nearside/policy/decide"
)

// Handle answers one request: classify, decide once, walk the plan until a
// step gives a good answer. ctx is the caller's connection; when it ends,
// everything upstream is cancelled and counts for nobody.
//
// The result is never nil: beside an error it carries what the refusal's
// headers say. Its Close must be called after the reply was written.
func (a *Agent) Handle(ctx context.Context, in Input) (*Result, error) {
	w := a.begin(in)
	err := w.decide()
	w.result.Timing.Policy = time.Since(w.started)
	if err != nil {
		return w.end(err)
	}
	for i := range w.plan.Steps {
		if done, err := w.take(ctx, i); done {
			return w.end(err)
		}
	}
	return w.end(ErrNoRoute) // a plan ends with a terminal step: not reached
}

// begin makes the walk of a request.
func (a *Agent) begin(in Input) *walk {
	now := time.Now()
	rec := &decision.Record{ID: decision.NewID(now), Time: now, RequestID: in.RequestID}
	w := &walk{
		Settings: a.settings.Load(), agent: a, in: in, started: now,
		record: rec, ask: &rec.Ask, signals: &rec.Signals, plan: &rec.Plan,
	}
	r := &w.result
	r.walk, r.Decision, r.Route, r.Policy, r.Cache = w, rec.ID, "none", w.policy, "bypass"
	if a.starter != nil {
		a.starter.Began()
	}
	return w
}

// end closes the walk: a poor answer that was not given is of no use any more.
func (w *walk) end(err error) (*Result, error) {
	r := &w.result
	if w.poor != nil && r.answer != w.poor.Answer {
		w.poor.Close()
	}
	r.Attempts = w.calls.Reached()
	r.first = time.Since(w.started)
	r.Timing.Total = r.first
	return r, err
}

// walk is one request on its way through its plan.
type walk struct {
	*Settings // those in force when it began
	agent     *Agent
	in        Input
	question  string // see asked
	started   time.Time
	result    Result

	record  *decision.Record // of it; it has all that is decided, and outlives the walk
	signals *policy.Signals
	ask     *policy.Ask
	plan    *policy.Plan

	hash     string      // see key; "" until it is needed
	looked   bool        // the cache was asked
	kept     *kept.Entry // what it had
	poor     *openai.Reply
	poorStep *policy.Step
	withheld bool // the latest poor reply was one that policy forbids to give
	calls    decision.Calls
	faults   []error  // why answering steps gave nothing, in order
	score    *float64 // confidence of the local answer
	isFormed *bool    // its form is the one asked for; nil when none was or that is not known
	seen     Observation

	calibration Calibration // nil: there is none for this ask
	heard       heard
}

func (w *walk) decide() error {
	*w.signals = w.agent.parts.Signals()
	w.question = asked(w.in.Request)
	if err := w.classify(&w.in, w.question, w.signals, w.ask); err != nil {
		w.result.Reason = policy.ReasonNoRoute
		return err
	}
	w.calibration = w.agent.expect(w.Policy.Doc, w.question, w.ask, w.signals)
	w.signals.Turn = w.agent.turns.take(w.ask.Service)
	*w.plan = decide.Plan(w.Policy.Doc, w.ask, w.signals)
	if !w.plan.Pooled() {
		w.agent.turns.giveBack(w.ask.Service, w.signals.Turn)
	}
	w.result.Reason = w.plan.Reason
	return nil
}

// take performs one step. done means the request is over, with an answer or an
// error; otherwise the next step is due.
func (w *walk) take(ctx context.Context, i int) (done bool, err error) {
	step := &w.plan.Steps[i]
	switch step.Kind {
	case policy.StepCache:
		return w.fresh(ctx, step), nil
	case policy.StepLocal, policy.StepCloud:
		return w.consult(ctx, step, w.plan.Steps[i+1:])
	case policy.StepStale:
		return w.stale(ctx, step), nil
	case policy.StepDefault:
		return w.fallback(step), nil
	}
	return true, w.refuse(step)
}

// consult asks the step's targets and judges the reply. After a poor one those
// of the pool that come behind it are asked.
func (w *walk) consult(ctx context.Context, step *policy.Step, later []policy.Step) (done bool, err error) {
	for targets := step.Targets(); len(targets) > 0; {
		start := time.Now()
		reply, err := w.call(ctx, step, targets, later)
		w.spent(step, time.Since(start))
		switch {
		case ctx.Err() != nil:
			if err == nil {
				reply.Close()
			}
			w.result.Reason = cmp.Or(w.result.Reason, ReasonCallerGone)
			return true, ErrCallerOff
		case err != nil && w.final(step, err):
			w.result.Reason = cmp.Or(w.result.Reason, step.Reason)
			return true, err
		case err != nil:
			w.faults = append(w.faults, err)
			return false, nil
		case w.good(step, reply):
			w.deliver(step, reply, false)
			return true, nil
		}
		targets = behind(targets, reply.Target)
		w.putAside(step, reply)
	}
	return false, nil
}

// behind are the targets that come after the one.
func behind(targets []string, one string) []string {
	i := slices.Index(targets, one)
	if i < 0 {
		return nil
	}
	return targets[i+1:]
}

// putAside keeps a poor reply for when nothing better comes: the latest, but
// none that has the wrong form in the place of one that has the right one, and
// none at all that policy forbids to give.
func (w *walk) putAside(step *policy.Step, reply *openai.Reply) {
	must := w.plan.Require
	w.withheld = must.Verified || must.Schema && !w.fits(reply)
	if w.withheld || w.poor != nil && w.fits(w.poor) && !w.fits(reply) {
		reply.Close()
		return
	}
	if w.poor != nil {
		w.poor.Close()
	}
	w.poor, w.poorStep = reply, step
}

func (w *walk) spent(step *policy.Step, d time.Duration) {
	if step.Kind == policy.StepLocal {
		w.result.Timing.Local += d
	} else {
		w.result.Timing.Cloud += d
	}
}

// call asks targets of the step inside its budget.
func (w *walk) call(ctx context.Context, step *policy.Step, targets []string, later []policy.Step) (*openai.Reply, error) {
	answerer := w.agent.parts.Cloud
	if step.Kind == policy.StepLocal {
		answerer = w.agent.parts.Local
	}
	end := stepEnd(w.started, w.deadlineMS(), later)
	limits := &w.Policy.Doc.Limits
	call := openai.Call{
		Request: w.in.Request, ID: w.result.Decision, Targets: targets, Hold: step.CommitTokens, Budget: time.Until(end),
		Attempt: time.Duration(limits.AttemptMS) * time.Millisecond,
		Silence: time.Duration(limits.SilenceMS) * time.Millisecond,
		Once:    w.plan.Bounds.Attempts > 0,
		Check:   w.Services[w.ask.Service].Reply,
		Tried:   w.tried,
	}
	if step.Kind == policy.StepCloud {
		call.Trace = w.in.Trace.Child
	}
	if n := w.tokensOut(); n > 0 {
		call.Request = call.Request.WithMaxTokens(n)
	}
	if answerer == nil {
		return nil, fault.ErrDown
	}
	if call.Budget <= 0 {
		return nil, fault.ErrTimeout
	}
	return answerer.Chat(ctx, call)
}

// tokensOut is the most that the answer may take where the caller set no such
// limit or a higher one: the policy's, or what a cost cap was reckoned with. 0
// is none.
func (w *walk) tokensOut() int {
	asked := w.in.Request.MaxTokens
	switch limit := w.plan.Bounds.TokensOut; {
	case w.ask.Service != openai.Chat:
		return 0
	case limit > 0 && (asked == 0 || limit < asked):
		return limit
	case asked == 0 && (w.ask.MaxCost != nil || w.plan.Bounds.MaxCost != nil):
		return w.ask.Size.TokensOut
	}
	return 0
}

// deadlineMS is the caller's, or the policy's where that is nearer.
func (w *walk) deadlineMS() int64 {
	if limit := w.plan.Bounds.BudgetMS; limit > 0 {
		return min(limit, w.ask.DeadlineMS)
	}
	return w.ask.DeadlineMS
}

// private tells whether the ask stays on the device, with nothing of it kept.
func (w *walk) private() bool { return w.ask.Privacy == policy.Private || w.plan.Private }

// stepEnd is when a step must be over: the deadline less what later steps were
// promised. What earlier steps left unused is thereby handed on.
func stepEnd(start time.Time, deadlineMS int64, later []policy.Step) time.Time {
	for i := range later {
		deadlineMS -= later[i].BudgetMS
	}
	return start.Add(time.Duration(deadlineMS) * time.Millisecond)
}

// deliver makes the reply the result.
func (w *walk) deliver(step *policy.Step, reply *openai.Reply, degraded bool) {
	r := &w.result
	r.Route, r.Target, r.Model = step.Kind, reply.Target, reply.Answer.Model
	r.Body, r.Stream, r.answer = reply.Body, reply.Stream, reply.Answer
	r.Degraded = degraded
	if degraded && !w.fits(reply) {
		r.Warnings = append(r.Warnings, "schema_invalid")
	}
	if len(reply.Ignored) > 0 {
		r.Warnings = append(r.Warnings, "ignored="+strings.Join(reply.Ignored, ","))
	}
	if r.Reason == "" {
		r.Reason = w.why(step, reply, degraded)
	}
}

// why is the reason of an answer when nothing shaped the whole plan.
func (w *walk) why(step *policy.Step, reply *openai.Reply, degraded bool) string {
	switch {
	case degraded:
		return ReasonUnverified
	case step.Kind == policy.StepCloud && w.poor == nil && len(w.faults) > 0:
		return policy.ReasonLocalUnavailable
	case step.Kind == policy.StepCloud && reply.Target != step.Target && (w.poor == nil || w.poorStep == step):
		return ReasonFailover
	}
	return step.Reason
}

// Reasons that only the walk can know.
const (
	ReasonFailover   = "failover"   // another member of the pool answered
	ReasonUnverified = "unverified" // a poor answer, given because nothing better came
	ReasonDeadline   = "deadline"   // the time was up
	ReasonCallerGone = "caller_gone"
)
