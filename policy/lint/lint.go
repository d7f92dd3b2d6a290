package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nearside/policy"
	"nearside/policy/cond"
	"nearside/policy/valid"
)

// Severities of findings.
const (
	Error   = "error"   // it cannot do what it was written for
	Warning = "warning" // it may not be what was meant
)

// Finding is one thing to look at.
type Finding struct {
	Severity string `json:"severity"`
	Path     string `json:"path"` // keys, such as rules[2].when
	Message  string `json:"message"`
	Right    string `json:"right,omitempty"` // what would be right, where the message does not say
}

// Known is what is known of where the policy is to serve. What is nil is not
// known, and nothing is held against it.
type Known struct {
	Targets    []string // local/NAME and cloud/NAME, as the config has them
	Tasks      []string // classes of questions there are
	Calibrated []string // models whose confidence was measured against right answers
}

// Check lists what there is to say of a policy, in the order of its paths. Of
// one that is not valid it says only why, see [valid.Check].
func Check(d *policy.Document, k Known) []Finding {
	c := &checker{doc: d, known: k, left: patience}
	for _, p := range valid.Check(d) {
		c.add(Finding{Error, p.Path, p.Message, ""})
	}
	if c.found == nil {
		c.settings()
		c.thresholds()
		c.rules()
	}
	slices.SortStableFunc(c.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(section(a.Path), section(b.Path)), cmp.Compare(index(a.Path), index(b.Path)))
	})
	return c.found
}

// Worst is the severity of the worst finding, "" when there is none.
func Worst(all []Finding) string {
	worst := ""
	for _, f := range all {
		if f.Severity == Error {
			return Error
		}
		worst = f.Severity
	}
	return worst
}

// section is the first key of a path.
func section(path string) string { return path[:strings.IndexAny(path+".", ".[")] }

// index is the number of an entry of a list, such as 12 of rules[12].when.
func index(path string) int {
	n := 0
	_, _ = fmt.Sscanf(strings.TrimPrefix(path, section(path)), "[%d]", &n)
	return n
}

// patience bounds how long the rules of one policy are thought about: a second
// or two.
const patience = 1_000_000

type checker struct {
	doc   *policy.Document
	left  cond.Patience
	known Known
	found []Finding
}

func (c *checker) add(f Finding) { c.found = append(c.found, f) }

func (c *checker) warn(path, right, format string, args ...any) {
	c.add(Finding{Warning, path, fmt.Sprintf(format, args...), right})
}

func (c *checker) fail(path, right, format string, args ...any) {
	c.add(Finding{Error, path, fmt.Sprintf(format, args...), right})
}
