package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Kinds of step.
const (
	StepCache   = "cache"
	StepLocal   = "local"
	StepCloud   = "cloud"
	StepStale   = "stale"
	StepDefault = "default"
	StepRefuse  = "refuse"
)

var rungs = []string{StepCache, StepLocal, StepCloud, StepStale, StepDefault, StepRefuse}

// Rungs lists the kinds of step, which are what a ladder may name.
func Rungs() []string { return slices.Clone(rungs) }

// Commit rules besides after_N_tokens.
const (
	CommitFirst = "first_token"
	CommitCheck = "after_check"
)

// CommitTokens reads a commit rule: how many tokens are held back, -1 for all.
func CommitTokens(rule string) (int, bool) {
	switch rule {
	case CommitFirst:
		return 1, true
	case CommitCheck:
		return -1, true
	}
	digits, ok := strings.CutSuffix(strings.TrimPrefix(rule, "after_"), "_tokens")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= 1000 && strings.HasPrefix(rule, "after_")
}

// Plan is what was decided for one ask: steps to try in order until one gives
// a good answer. The last step is always terminal, so that nothing needs to be
// decided again while the plan is walked.
type Plan struct {
	Steps     []Step      `json:"plan"`
	NotChosen []NotChosen `json:"not_chosen"`
	Private   bool        `json:"private,omitempty"`  // a rule made the ask private
	Bounds    Limit       `json:"bounds,omitzero"`    // by rules, below what the caller set
	Require   Require     `json:"require,omitzero"`   // of an answer, by rules and the service
	Reason    string      `json:"reason,omitempty"`   // rule_NAME, private, forced_mode or offline, when one of them shaped the plan
	Withheld  string      `json:"withheld,omitempty"` // the first rule that kept a cloud target from it, where no cloud target is left and no rule kept a local one
}

// Step is one rung: who is asked, for how long, and why.
type Step struct {
	Kind         string   `json:"step"`
	Target       string   `json:"target"` // local/NAME, the first member of a pool, or "" when no target is asked
	Members      []Member `json:"members,omitempty"`
	Utility      float64  `json:"utility"`
	Terms        Terms    `json:"terms"`
	Assumed      []string `json:"assumed,omitempty"`   // see [Member]
	MaxAgeS      int64    `json:"max_age_s,omitempty"` // of a kept answer, by the document; 0 is as the config says
	BudgetMS     int64    `json:"budget_ms"`
	Commit       string   `json:"commit"`
	CommitTokens int      `json:"commit_tokens,omitempty"` // tokens held back before the first may leave; -1 is all
	Threshold    float64  `json:"threshold,omitempty"`     // confidence a local answer must reach
	PauseMS      int64    `json:"pause_ms,omitempty"`      // of a refusal: it may be asked again after so long
	Reason       string   `json:"reason"`                  // lower_snake token
	Why          string   `json:"why"`                     // a sentence for a person
}

// Member is one target of a pool, best first.
type Member struct {
	Target  string   `json:"target"`
	Utility float64  `json:"utility"`
	Terms   Terms    `json:"terms"`
	Assumed []string `json:"assumed,omitempty"` // figures that were not known; its terms rest on something in the middle for each
}

// Terms are the parts a utility is the sum of; one that is 0 is left out where
// they are written.
type Terms struct {
	Quality float64 `json:"quality,omitzero"`
	Near    float64 `json:"near,omitzero"`
	Latency float64 `json:"latency,omitzero"`
	Errors  float64 `json:"errors,omitzero"`
	Load    float64 `json:"load,omitzero"`
	Cost    float64 `json:"cost,omitzero"`
	Metered float64 `json:"metered,omitzero"`
	CPU     float64 `json:"cpu,omitzero"`
	Memory  float64 `json:"memory,omitzero"`
	Heat    float64 `json:"temperature,omitzero"`
	Battery float64 `json:"battery,omitzero"`
	Rule    float64 `json:"rule,omitzero"`
}

// NotChosen is a target that is not in the plan, and why.
type NotChosen struct {
	Target string `json:"target"`
	Why    string `json:"why"`
}

// Targets lists the names of the members, best first.
func (s *Step) Targets() []string {
	if len(s.Members) == 0 {
		return []string{s.Target}
	}
	names := make([]string, len(s.Members))
	for i, m := range s.Members {
		names[i] = m.Target
	}
	return names
}

// Main is the step that a plan begins with, the cache aside.
func (p *Plan) Main() *Step {
	i := 0
	for p.Steps[i].Kind == StepCache {
		i++ // the last step is no look into the cache
	}
	return &p.Steps[i]
}

// MainReason is why the plan is as it is: what shaped all of it, else the reason
// of its main step.
func (p *Plan) MainReason() string { return cmp.Or(p.Reason, p.Main().Reason) }

// Route is what a reply made by the step says its route is: its kind, and
// "none" for a refusal.
func (s *Step) Route() string {
	if s.Kind == StepRefuse {
		return "none"
	}
	return s.Kind
}

// Pooled tells whether the plan has a choice among several cloud targets.
func (p *Plan) Pooled() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.Members) > 1 })
}
