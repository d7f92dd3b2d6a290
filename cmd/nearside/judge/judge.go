package judge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nearside/agent/config/remote"
	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/lint"
	"nearside/policy/seal"
)

// Reasons why a policy that was verified is refused.
const (
	Invalid        = "invalid"         // it cannot be read, or cannot be meant
	FailsOwnTests  = "fails_own_tests" // a test that it carries does not hold of it
	AnswersNothing = "answers_nothing" // ordinary asks that are answered now would get nothing
	Harmful        = "harmful_replay"  // by recent or ordinary asks it does harm beyond a limit
	bodyName       = "policy"          // in faults, before line and column
	maxBody        = seal.MaxBytes     // bytes of a text
	maxDetail      = 1000              // bytes of a refusal's detail
	maxWarnings    = 50
)

// Basis is what a policy is judged against. Nothing in it is changed.
type Basis struct {
	Own      *policy.Document // the device's own, of its file or built in
	Present  *policy.Document // in force, bound as it is
	Switches bind.Switches
	Known    lint.Known     // of this device; nothing is held against what is nil
	Signals  policy.Signals // of the device now, with its targets and their figures
	Recent   Recent         // nil: there is no past
	Past     *Past          // of Recent, read ahead; nil: it is read now
	Limits   *remote.Limits // nil: the usual ones
}

// Recent lists records of decisions in JSON, at most limit, the latest first,
// after the one with the id before.
type Recent interface {
	Decisions(ctx context.Context, limit int, before string) ([][]byte, error)
}

// Judgement is what was found of a policy that may be taken.
type Judgement struct {
	Doc      *policy.Document `json:"-"` // bound: to be in force
	Written  *policy.Document `json:"-"` // as its text says
	Warnings []string         `json:"warnings,omitempty"`
	Tests    int              `json:"tests"`    // of its own, that hold
	Asks     int              `json:"asks"`     // ordinary ones that were planned
	Recent   int              `json:"recent"`   // asks that were planned again
	Evidence []string         `json:"evidence"` // what was expected before and is after, for people
}

func (j *Judgement) warn(format string, args ...any) {
	switch n := len(j.Warnings); {
	case n < maxWarnings:
		j.Warnings = append(j.Warnings, fmt.Sprintf(format, args...))
	case n == maxWarnings:
		j.Warnings = append(j.Warnings, "and more")
	}
}

// Check judges the text of a policy on this device. The error is a
// [seal.Refusal] when the policy is at fault, and another when the past could
// not be read; the judgement is nil then. With the same basis the same comes
// out.
func Check(ctx context.Context, body string, b Basis) (*Judgement, error) {
	j := &Judgement{}
	draft, err := read(body, b.Known, j)
	if err != nil {
		return nil, err
	}
	if err := tested(draft, j); err != nil {
		return nil, err
	}
	j.Written, j.Doc = draft.Doc, bind.Bind(b.Own, draft.Doc, b.Switches)
	if n := len(j.Doc.Rules); n > maxRules {
		return nil, refuse(Invalid, "rules: %d with those of this device; there can be %d", n, maxRules)
	}
	w := newWorld(&b, draft.Doc, j.Doc)
	if err := w.ordinary(j); err != nil {
		return nil, err
	}
	if err := w.recent(ctx, j); err != nil {
		return nil, err
	}
	return j, nil
}

// maxRules is how many there can be in a document.
const maxRules = 1000

// read reads a text as strictly as a file, and looks for what cannot be meant.
// Targets that this device does not have are no fault of a policy for many.
func read(body string, known lint.Known, j *Judgement) (*written.Draft, error) {
	if len(body) > maxBody {
		return nil, refuse(Invalid, "the policy is %d bytes long; at most %d are taken", len(body), maxBody)
	}
	draft := written.Read(bodyName, []byte(body))
	if err := draft.Check(); err != nil {
		return nil, refuse(Invalid, "%s", err)
	}
	for _, f := range lint.Check(draft.Doc, lint.Known{Tasks: known.Tasks}) {
		line, column := draft.Place(f.Path)
		if f.Severity == lint.Error {
			return nil, refuse(Invalid, "%s:%d:%d: %s: %s", bodyName, line, column, f.Path, f.Message)
		}
		j.warn("%s:%d:%d: %s: %s", bodyName, line, column, f.Path, f.Message)
	}
	if known.Targets != nil {
		strangers(draft, known.Targets, j)
	}
	return draft, nil
}

// tested runs the tests that the policy carries, on what is written.
func tested(draft *written.Draft, j *Judgement) error {
	if draft.Tests == nil {
		return nil
	}
	for i, r := range draft.Tests.Run(draft.Doc) {
		if !r.OK {
			line, column := draft.Place(fmt.Sprintf("tests.cases[%d]", i))
			x := r.Faults[0]
			return refuse(FailsOwnTests, "%s:%d:%d: tests.cases[%d]: %s: %s: got %s, want %s", bodyName, line, column, i, r.Name, x.Field, x.Got, x.Want)
		}
		j.Tests++
	}
	return nil
}

// refuse is a refusal whose detail is not longer than one can read.
func refuse(reason, format string, args ...any) *seal.Refusal {
	detail := fmt.Sprintf(format, args...)
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + " ..."
	}
	return &seal.Refusal{Reason: reason, Detail: detail}
}

// week is how far back recent asks may be.
const week = 7 * 24 * time.Hour
