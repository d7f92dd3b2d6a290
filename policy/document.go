package policy

import "cmp"

// Document is one policy: what an operator writes, versioned and immutable
// once it is in force. Its YAML and JSON names are the same.
type Document struct {
	Version  int                `json:"version"`
	Services map[string]Service `json:"services"`
	Weights  Weights            `json:"weights"`
	Quality  Quality            `json:"quality"`
	Check    Check              `json:"check"`
	Score    *Score             `json:"score,omitempty"` // of balance: score
	Limits   Limits             `json:"limits"`
	Rules    []Rule             `json:"rules"`
}

// Service is the ladder of one service and how its answers may be reused and
// committed.
type Service struct {
	Ladder []string `json:"ladder"` // of cache, local, cloud, stale, default, refuse; refuse is last
	Fresh  string   `json:"fresh"`  // repeatable, always, never
	Commit Commit   `json:"commit"` // of streams; only chat has them

	FreshMaxS  int64  `json:"fresh_max_s,omitempty"` // bounds the age of a fresh answer below what the config says; 0 does not
	StaleMaxS  int64  `json:"stale_max_s,omitempty"` // the same of a stale one
	DeadlineMS int64  `json:"deadline_ms,omitempty"` // when the caller gave none; 0 is that of the limits
	Critical   bool   `json:"critical,omitempty"`    // safety depends on it: every answer must be verified, see [Require]
	Balance    string `json:"balance,omitempty"`     // who goes first among equal cloud targets; "" is order
}

// Service is the entry of a service. One that is not named, such as that of a
// JSON API, has a ladder with every rung; chat is always named.
func (d *Document) Service(name string) Service {
	s, ok := d.Services[name]
	if ok || name == Chat {
		return s
	}
	return Service{Ladder: rungs, Fresh: "repeatable"}
}

// Chat is the service whose answers are text, and may be streamed.
const Chat = "chat"

// Deadline is how long an ask of the service may take when the caller gave no
// deadline, in milliseconds.
func (d *Document) Deadline(service string) int64 {
	return cmp.Or(d.Services[service].DeadlineMS, d.Limits.DeadlineMS)
}

// Commit says when the first token of a stream may leave: "first_token",
// "after_N_tokens" or "after_check". No other target can answer after it left.
type Commit struct {
	Local string `json:"local"`
	Cloud string `json:"cloud"`
}

// Weights are the factors of the terms of utility; none is negative.
type Weights struct {
	Quality float64 `json:"quality"`          // times quality and chance of success
	Near    float64 `json:"near"`             // bonus for staying on the device
	Latency float64 `json:"latency"`          // times expected time over deadline
	Errors  float64 `json:"errors"`           // times error rate
	Load    float64 `json:"load"`             // times asks in flight, at most 1
	Cost    float64 `json:"cost"`             // per cent (0.01 USD)
	Metered float64 `json:"metered"`          // times 100 kB sent and expected back where bytes cost money, at most 1
	CPU     float64 `json:"cpu,omitempty"`    // these four of a local target: times how far the device is on its way
	Memory  float64 `json:"memory,omitempty"` // from where that signal begins to matter to where it is worst
	Heat    float64 `json:"temperature,omitempty"`
	Battery float64 `json:"battery,omitempty"` // nothing while charging
	Tie     float64 `json:"tie"`               // members of a pool this close to the best count as equal: the order of the config decides
}

// Quality is how good answers are expected to be, 0 to 1, by task class;
// "default" serves classes that are not listed.
type Quality struct {
	Local map[string]float64 `json:"local"`
	Cloud map[string]float64 `json:"cloud"`
}

// Check says what is asked of a local answer. All are shares, 0 to 1.
type Check struct {
	Confidence map[string]float64 `json:"confidence"`       // it must reach, by model; "default" serves the others
	Skip       float64            `json:"skip,omitempty"`   // a local target whose chance of a good answer is below is not asked where the cloud may be; 0 is never
	Budget     map[string]float64 `json:"budget,omitempty"` // of its answers taken as good, how many may be wrong, by task class; what calibration is to keep to
}

// Limits bound time. All are milliseconds.
type Limits struct {
	DeadlineMS int64 `json:"deadline_ms"` // when the caller gave none
	AttemptMS  int64 `json:"attempt_ms"`  // for one attempt while another target is left and nothing is known of this one
	SilenceMS  int64 `json:"silence_ms"`  // longest pause inside a stream
}

// Rule removes or bounds targets, or puts some first, when its condition holds.
// One with an Until stays in force until that holds, so that a signal about its
// limit does not make routes go to and fro, see [Hold].
type Rule struct {
	Name  string     `json:"name"`
	When  Condition  `json:"when"`
	Until *Condition `json:"until,omitempty"`
	Then  Effect     `json:"then"`

	DwellMS int64 `json:"dwell_ms,omitempty"` // of one with an until: it stays in force, and out of it, at least so long
}

// Threshold is the confidence an answer of the local model must reach.
func (d *Document) Threshold(model string) float64 {
	least, _ := Listed(d.Check.Confidence, model)
	return least
}

// Listed is the entry of a table of the document, or that of "default"; ok is
// false where it has neither.
func Listed(table map[string]float64, name string) (v float64, ok bool) {
	if v, ok = table[name]; ok {
		return v, true
	}
	v, ok = table["default"]
	return v, ok
}
