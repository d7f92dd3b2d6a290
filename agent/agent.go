package agent

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/agent/trace"
	"nearside/policy"
)

// Answerer asks targets for an answer: the local engine, or a pool of cloud
// targets. It tries call.Targets in order and returns the first reply that
// begins well, within call.Budget. ctx is the caller's: when it ends, all that
// was started for it ends.
type Answerer interface {
	Chat(ctx context.Context, call openai.Call) (*openai.Reply, error)
}

// Scorer says how sure a model was of its answer to a question, 0 to 1. ok is
// false when the tokens tell nothing.
type Scorer interface {
	Confidence(question string, tokens []completion.Token) (score float64, ok bool)
}

// Cache keeps answers by key. Put may drop what it cannot keep.
type Cache interface {
	Get(ctx context.Context, key string) (value []byte, at time.Time, ok bool, err error)
	Put(key string, value []byte, at time.Time)
}

// Recorder keeps decision records. It must not block; it may drop and count.
// record appends the record to what it is given, whenever that is wanted and from
// any goroutine; mostly it is asked once.
type Recorder interface {
	Record(id string, at time.Time, record func([]byte) []byte)
}

// Policy is a document in force and where it came from.
type Policy struct {
	Doc    *policy.Document
	Digest string // SHA-256 of its text, in hex
	Source string // "built-in" or a file
}

// String is VERSION@first 8 hex of the digest.
func (p *Policy) String() string {
	return strconv.Itoa(p.Doc.Version) + "@" + p.Digest[:min(8, len(p.Digest))]
}

// Parts are what an agent is made of. Local, Cloud, Cache, Recorder, Observer,
// Scorer, Calibration and Learner may be nil: then there is none.
type Parts struct {
	Local    Answerer
	Cloud    Answerer
	Scorer   Scorer
	Cache    Cache
	Recorder Recorder
	Observer Observer
	Signals  func() policy.Signals // a snapshot; called once per request
	Now      func() time.Time      // of the clock on the wall, for the age of kept answers; nil is time.Now

	Calibration func() Calibration // that in force; called once per request
	Learner     Learner
}

// Settings are what may change while an agent runs, see [Agent.Swap].
type Settings struct {
	Policy   *Policy
	Keep     Keep
	Salt     string             // identity of the targets' models: a changed model makes other answers
	Services map[string]Service // by name; one that is not there has nothing set
	Gate     Gate               // nil: there is none

	policy string // [Policy.String] of Policy
}

// Service is what is set for a service beside its targets. The zero value sets
// nothing.
type Service struct {
	Default []byte             // reply when nothing answers; nil: none
	Keep    *Keep              // nil: as for all
	Request func([]byte) error // checks the body of a request; nil: anything goes. Its error tells the caller what is wrong
	Reply   func([]byte) error // checks the body of a reply; nil: any JSON does
}

// Keep says how long a kept answer is fresh, and for how long it may serve
// when nothing better answers.
type Keep struct {
	Fresh time.Duration
	Stale time.Duration
}

// Agent handles requests. Its methods may be called from any goroutine.
type Agent struct {
	parts    Parts
	starter  Starter // the observer, if it is one; else nil
	settings atomic.Pointer[Settings]
	turns    turns
}

// New makes an agent with the settings that are in force.
func New(parts Parts, s Settings) *Agent {
	if parts.Now == nil {
		parts.Now = time.Now
	}
	a := &Agent{parts: parts}
	a.starter, _ = parts.Observer.(Starter)
	a.Swap(s)
	return a
}

// Swap puts other settings in force, all at once. A request goes on to its end
// with those it began with.
func (a *Agent) Swap(s Settings) {
	s.policy = s.Policy.String()
	a.settings.Store(&s)
}

// Policy is the policy in force.
func (a *Agent) Policy() *Policy { return a.settings.Load().Policy }

// Input is one request with all that its headers said.
type Input struct {
	Request   *openai.Request
	Check     func(answer []byte) error // whether an answer is as response_format wants it; nil: any will do
	RequestID string
	Trace     trace.Parent
	Caller    string
	Mode      string // auto, local, cloud; "" is auto
	Privacy   string // normal, private; "" is normal
	Deadline  time.Duration
	MaxCost   *float64
	Cache     policy.Caching
	Assume    map[string]any // signals an explanation is to assume, by name, see [policy.Signals.Set]
}

// Head is what every reply says about itself.
type Head struct {
	Decision string
	Route    string // local, cloud, cache, stale, default, none
	Target   string
	Model    string
	Reason   string
	Attempts int
	Policy   string
	Cache    string // hit, stale, miss, bypass
	Age      time.Duration
	Kept     bool // Age counts: the answer comes from the cache
	Degraded bool
	Warnings []string
	Timing   Timing
}

// Timing says where the time of a request went.
type Timing struct {
	Policy, Local, Cloud, Total time.Duration
}

// Result is the answer to a request, or its refusal when Handle returned an
// error beside it. Close must be called once the reply has been written.
type Result struct {
	Head
	Body   []byte             // a plain answer
	Stream *completion.Stream // a streamed one

	walk   *walk
	answer *completion.Answer
	first  time.Duration // from the request to its first token
}
