package decide

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nearside/policy"
)

// explain gives every answering step its commit rule, threshold and reason.
func (c *chooser) explain(steps []policy.Step) {
	for i := range steps {
		s := &steps[i]
		if s.Kind == policy.StepCloud {
			s.Commit = c.commit.Cloud
			s.Reason, s.Why = c.whyCloud(steps[:i])
		} else {
			s.Commit = c.commit.Local
			s.Threshold = c.threshold(s.Target)
			s.Reason, s.Why = c.whyLocal(steps[:i], s)
		}
		s.CommitTokens, _ = policy.CommitTokens(s.Commit)
		s.Why = noting(s.Why, s.Assumed)
	}
}

// noting adds to a reason what was assumed for it.
func noting(why string, assumed []string) string {
	if len(assumed) == 0 {
		return why
	}
	var b strings.Builder
	b.Grow(len(why) + 128)
	b.WriteString(why)
	for i, figure := range assumed {
		b.WriteString([...]string{"; not known and taken in the middle: ", ", "}[min(i, 1)])
		b.WriteString(figure)
	}
	return b.String()
}

// threshold is the confidence the answer of a local target must reach.
func (c *chooser) threshold(target string) float64 {
	if e := c.ask.Estimate(target); e != nil && e.Threshold != nil {
		return max(*e.Threshold, c.require.Confidence)
	}
	return max(c.doc.Threshold(strings.TrimPrefix(target, "local/")), c.require.Confidence)
}

// hundredths is a number with two places.
func hundredths(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func (c *chooser) whyLocal(before []policy.Step, s *policy.Step) (string, string) {
	if len(before) == 0 {
		return policy.ReasonLocalFirst, "near comes first for " + c.ask.Task + " (utility " + hundredths(s.Utility) +
			"); an answer below confidence " + hundredths(s.Threshold) + c.whyThreshold(s) + " is not taken as good"
	}
	if before[len(before)-1].Kind == policy.StepLocal {
		return policy.ReasonLocalUnsure, "another local model, when the one before is not sure"
	}
	return policy.ReasonCloudUnavailable, "when no cloud target answers"
}

// whyThreshold says where a threshold comes from that is not the document's.
func (c *chooser) whyThreshold(s *policy.Step) string {
	e := c.ask.Estimate(s.Target)
	if e == nil || e.Threshold == nil {
		return ""
	}
	if len(c.doc.Check.Budget) == 0 {
		return fmt.Sprintf(" (%s)", e.From)
	}
	wrong, _ := policy.Listed(c.doc.Check.Budget, c.ask.Task)
	return fmt.Sprintf(" (%s, for at most %.3g wrong)", e.From, wrong)
}

func (c *chooser) whyCloud(before []policy.Step) (string, string) {
	if len(before) > 0 {
		return policy.ReasonLocalUnsure, "when the local answer is missing or not good enough"
	}
	if len(c.locals) > 0 {
		return policy.ReasonCloudFirst, c.ask.Task + " is expected to be answered better by a cloud target (utility " +
			hundredths(c.clouds[0].Utility) + " against " + hundredths(c.locals[0].Utility) + ")"
	}
	if c.skipped {
		return policy.ReasonLocalUnsure, "the device would hardly answer this well"
	}
	if c.ask.Service == policy.Chat || slices.ContainsFunc(c.sig.Targets, func(t policy.Target) bool { return t.Local() && t.Serves(c.ask.Service) }) {
		return policy.ReasonLocalUnavailable, "no local target can answer this"
	}
	return policy.ReasonCloudOnly, "no model on the device serves " + c.ask.Service
}

// refusal says what the last step tells the caller.
func (c *chooser) refusal() (token, why string) {
	switch {
	case c.ask.Cache.OnlyIfCached:
		return policy.ReasonOnlyCached, "only a kept answer was wanted, and there is none"
	case c.tooLong && !c.fits && !c.offline:
		return policy.ReasonTooLong, "it does not fit the context of any target that may answer"
	case c.ask.Privacy == policy.Private:
		return policy.ReasonPrivate, "the ask is private, and no local target could answer"
	case c.offline:
		return policy.ReasonOffline, "there is no network, and nothing on the device could answer"
	case c.pauseMS > 0 && len(c.clouds) == 0:
		return policy.ReasonRateLimited, "every cloud target that could answer asked for fewer calls"
	case c.overspent:
		return policy.ReasonBudget, "every target that could answer is over the cost cap"
	}
	return policy.ReasonNoRoute, "no target could answer"
}
