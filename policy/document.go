package policy

// Document is one policy: what an operator writes, versioned and immutable
// once it is in force. Its YAML and JSON names are the same.
type Document struct {
	Version  int                `json:"version"`
	Services map[string]Service `json:"services"`
	Weights  Weights            `json:"weights"`
	Quality  Quality            `json:"quality"`
	Check    Check              `json:"check"`
	Limits   Limits             `json:"limits"`
	Rules    []Rule             `json:"rules"`
}

// Service is the ladder of one service and how its answers may be reused and
// committed.
type Service struct {
	Ladder []string `json:"ladder"` // of cache, local, cloud, stale, default, refuse; refuse is last
	Fresh  string   `json:"fresh"`  // repeatable, always, never
	Commit Commit   `json:"commit"` // of streams; only chat has them
}

// service is the entry of a service. One that is not named, such as that of a
// JSON API, has a ladder with every rung; chat is always named.
func (d *Document) service(name string) Service {
	s, ok := d.Services[name]
	if ok || name == Chat {
		return s
	}
	return Service{Ladder: rungs, Fresh: "repeatable"}
}

// Chat is the service whose answers are text, and may be streamed.
const Chat = "chat"

// Commit says when the first token of a stream may leave: "first_token",
// "after_N_tokens" or "after_check". No other target can answer after it left.
type Commit struct {
	Local string `json:"local"`
	Cloud string `json:"cloud"`
}

// Weights are the factors of the terms of utility; none is negative.
type Weights struct {
	Quality float64 `json:"quality"` // times quality and chance of success
	Near    float64 `json:"near"`    // bonus for staying on the device
	Latency float64 `json:"latency"` // times expected time over deadline
	Errors  float64 `json:"errors"`  // times error rate
	Load    float64 `json:"load"`    // times asks in flight, at most 1
	Cost    float64 `json:"cost"`    // per cent (0.01 USD)
	Metered float64 `json:"metered"` // times 100 kB sent and expected back where bytes cost money, at most 1
	Tie     float64 `json:"tie"`     // members of a pool this close to the best count as equal: the order of the config decides
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
}

// Effect names targets: "local", "cloud", "local/NAME" or "cloud/NAME".
type Effect struct {
	Deny   []string `json:"deny,omitempty"`   // they are not asked
	Force  []string `json:"force,omitempty"`  // only they are asked
	Prefer []string `json:"prefer,omitempty"` // they are asked first
}

// Threshold is the confidence an answer of the local model must reach.
func (d *Document) Threshold(model string) float64 {
	return listed(d.Check.Confidence, model)
}
