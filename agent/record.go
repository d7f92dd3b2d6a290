package agent

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// Record is what is kept of a decision: all that decide.Plan was given, so that the
// same plan can be computed again, and what came of it. No text of the prompt
// or the answer is in it, and it holds on to none, so that it can wait to be
// encoded.
type Record struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	TraceID   string    `json:"trace_id"`
	policy.Ask
	Signals policy.Signals `json:"signals"`
	Policy  string         `json:"policy"`
	policy.Plan
	Attempts []Attempt `json:"attempts"`
	Outcome  Outcome   `json:"outcome"`
}

// Attempt is one call to a target.
type Attempt struct {
	Target  string `json:"target"`
	StartMS int64  `json:"start_ms"` // after the request came
	MS      int64  `json:"ms"`
	Result  string `json:"result"`
	Error   string `json:"error"`
}

// Outcome is how a request ended. Nil is unknown.
type Outcome struct {
	Route      string   `json:"route"`
	Target     string   `json:"target"`
	Status     int      `json:"status"` // 0: the caller went away
	Reason     string   `json:"reason"`
	TTFTMS     *int64   `json:"ttft_ms"`
	TotalMS    int64    `json:"total_ms"`
	TokensIn   *int     `json:"tokens_in"`
	TokensOut  *int     `json:"tokens_out"`
	CostUSD    *float64 `json:"cost_usd"`
	Confidence *float64 `json:"confidence"`
	Cache      string   `json:"cache"`
	Degraded   bool     `json:"degraded"`
	Formed     *bool    `json:"schema_valid,omitempty"` // whether the answer is as response_format wanted it
	Judged     *Judged  `json:"judged,omitempty"`       // of the device's answer, whoever's was given
	Error      string   `json:"error,omitempty"`
}

// attempts collects calls to targets; hedged ones end on other goroutines.
type attempts struct {
	mu   sync.Mutex // guards list
	list []openai.Attempt
	room [1]openai.Attempt // of list, when there is no more
}

func (a *attempts) add(one openai.Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list == nil {
		a.list = a.room[:0]
	}
	a.list = append(a.list, one)
}

// calls counts the attempts that reached out to a target.
func (a *attempts) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, x := range a.list {
		if x.Result != "down" && x.Result != "busy" {
			n++
		}
	}
	return n
}

func (a *attempts) records(start time.Time) []Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Attempt, len(a.list))
	for i, x := range a.list {
		out[i] = Attempt{x.Target, x.Start.Sub(start).Milliseconds(), x.Took.Milliseconds(), x.Result, plainError(x.Err)}
	}
	return out
}

// plainError says what went wrong in words of our own: what a target wrote may
// quote the prompt.
func plainError(err error) string {
	if err == nil {
		return "" // before anything is made to look closer
	}
	var e *fault.Error
	var op *net.OpError
	switch {
	case errors.Is(err, ErrCallerOff):
		return "cancelled"
	case errors.As(err, &e):
		return fmt.Sprintf("the target answered status %d", e.Status)
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	}
	for _, known := range []error{
		fault.ErrBroken, fault.ErrUnfit, fault.ErrEmpty, fault.ErrCut, fault.ErrStalled,
		fault.ErrTimeout, fault.ErrBusy, fault.ErrDown,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fault.Result(err)
}

// recorded is what is to be kept of the walk, at its end.
func (w *walk) recorded(end Finish) *Record {
	r := w.record
	r.TraceID, r.Policy = w.in.Trace.ID(), w.result.Policy
	r.Attempts, r.Outcome = w.attempts.records(w.started), w.outcome(end)
	return r
}

func (w *walk) outcome(end Finish) Outcome {
	r := &w.result
	o := Outcome{
		Route: r.Route, Target: r.Target, Status: end.Status, Reason: r.Reason, TotalMS: r.Timing.Total.Milliseconds(),
		Confidence: w.score, Cache: r.Cache, Degraded: r.Degraded, Formed: w.isFormed, Judged: w.judged(), Error: plainError(end.Err),
	}
	if first := r.first; first > 0 {
		ms := first.Milliseconds()
		o.TTFTMS = &ms
	}
	if r.answer != nil && r.answer.Usage != nil && !r.Kept {
		u := r.answer.Usage
		tokens := [...]int{u.In, u.Out} // of its own: with the usage the reply that it lies in would stay
		o.TokensIn, o.TokensOut = &tokens[0], &tokens[1]
		o.CostUSD = w.cost(u)
	}
	return o
}

// cost is what the answer cost in USD, nil when its target has no price.
func (w *walk) cost(u *completion.Usage) *float64 {
	for i := range w.signals.Targets {
		if t := &w.signals.Targets[i]; t.Name == w.result.Target && t.Price != nil {
			usd := (t.Price.Input*float64(u.In) + t.Price.Output*float64(u.Out)) / 1e6
			return &usd
		}
	}
	return nil
}

// Finish is how a reply ended, as the server saw it.
type Finish struct {
	Status int   // HTTP status sent, 0 when the caller went away before
	Err    error // what broke the stream after its headers, nil when it ended well
}

// Close stores a good answer, records the decision and ends what is still
// running. It never fails a request; call it once, after the last byte of a
// plain reply and before the end mark of a stream.
func (r *Result) Close(end Finish) {
	if r.Stream != nil {
		defer r.Stream.Close()
	}
	w := r.walk
	r.Timing.Total = time.Since(w.started)
	if w.in.Check != nil && r.answer != nil && end.Err == nil && !r.Kept {
		formed := w.formed(r.answer)
		w.isFormed = &formed
	}
	if end.Err == nil && w.storable(end.Status) {
		w.store()
	}
	w.observe(end)
	w.teach(end)
	if rec := w.agent.parts.Recorder; rec != nil {
		rec.Record(r.Decision, w.started, w.recorded(end).AppendJSON)
	}
}
