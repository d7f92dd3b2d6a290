// Package tell tells explanations of plans to a person: steps, utilities term by
// term, rules test by test, and what would change the route.
package tell

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"nearside/agent"
	"nearside/policy"
	"nearside/policy/whatif"
)

// Plan tells an explanation. The error is that of w.
func Plan(w io.Writer, e *agent.Explanation) error {
	t := &teller{w: w}
	t.about(e)
	t.steps(e)
	t.utilities(&e.Plan)
	t.others(e)
	t.rules(e)
	t.changes(e)
	return t.err
}

// teller writes until it cannot.
type teller struct {
	w   io.Writer
	err error
}

func (t *teller) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

// table writes rows in columns, aligned.
func (t *teller) table(rows [][]string) {
	w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	if err := w.Flush(); t.err == nil {
		t.err = err
	}
}

func (t *teller) about(e *agent.Explanation) {
	t.line("task %s, about %d tokens, privacy %s, network %s, policy %s",
		e.Ask.Task, e.Ask.Size.TokensEst, e.Ask.Privacy, e.Signals.Network, e.Policy)
	if r := e.Recorded; r != nil {
		t.line("decision %s of %s, by policy %s: the plan %s", r.ID, r.Time.Format("2006-01-02 15:04:05"), r.Policy,
			choose(r.Same, "is the same now", "would be another now"))
	}
	if len(e.Signals.Held) > 0 {
		t.line("rules in force: %s", strings.Join(e.Signals.Held, ", "))
	}
	if e.Reason != "" {
		t.line("shaped by: %s", e.Reason)
	}
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func (t *teller) steps(e *agent.Explanation) {
	for i, s := range e.Steps {
		budget := ""
		if s.BudgetMS > 0 {
			budget = fmt.Sprintf(" [%s, %d ms, utility %.2f]", s.Reason, s.BudgetMS, s.Utility)
		}
		targets := strings.Join(s.Targets(), ", ")
		t.line("%d. %-6s %-28s %s%s", i+1, s.Kind, targets, s.Why, budget)
	}
}

// utilities is a table of all terms that are not 0 for every target.
func (t *teller) utilities(p *policy.Plan) {
	seats := whatif.Seats(p)
	if len(seats) == 0 {
		return
	}
	head, rows := []string{"utility"}, make([][]string, len(seats))
	for i, m := range seats {
		rows[i] = []string{m.Target}
	}
	for i, term := range whatif.Terms(policy.Terms{}) {
		column, counts := make([]float64, len(seats)), false
		for j, m := range seats {
			column[j] = whatif.Terms(m.Terms)[i].Value
			counts = counts || column[j] != 0
		}
		if !counts {
			continue
		}
		head = append(head, fmt.Sprintf("%7s", term.Name))
		for j := range seats {
			rows[j] = append(rows[j], fmt.Sprintf("%7.3f", column[j]))
		}
	}
	for j, m := range seats {
		rows[j] = append(rows[j], fmt.Sprintf("%7.3f", m.Utility))
	}
	t.line("")
	t.table(append([][]string{append(head, "  = sum")}, rows...))
	for _, m := range seats {
		if len(m.Assumed) > 0 {
			t.line("assumed for %s, since not known: %s", m.Target, strings.Join(m.Assumed, ", "))
		}
	}
}

func (t *teller) others(e *agent.Explanation) {
	if e.Why != "" {
		t.line("\n%s", e.Why)
	}
	for _, n := range e.Others {
		t.line("not %s: %s", n.Target, n.Why)
	}
}

// rules tells those in force, and how their conditions hold.
func (t *teller) rules(e *agent.Explanation) {
	for _, r := range e.Rules {
		if !r.InForce {
			continue
		}
		t.line("\nrule %s is in force: %s", r.Name, effect(&r))
		for _, line := range r.When.Lines() {
			t.line("  %s", line)
		}
		if r.Until != nil {
			t.line("  until:")
			for _, line := range r.Until.Lines() {
				t.line("    %s", line)
			}
		}
		if r.Without != "" {
			t.line("  without it %s", r.Without)
		}
	}
}

// most is how many changes are told.
const most = 16

func (t *teller) changes(e *agent.Explanation) {
	if len(e.WouldChange) == 0 {
		t.line("\nno change of a value or two would have another target go first")
		return
	}
	t.line("\nanother route:")
	for _, c := range e.WouldChange[:min(most, len(e.WouldChange))] {
		t.line("  %s", c.Text)
	}
	if more := len(e.WouldChange) - most; more > 0 {
		t.line("  and %d more, see --json", more)
	}
}

// Fields tells the fields that conditions may test, and what they are now.
func Fields(w io.Writer, all []whatif.Field) error {
	t := &teller{w: w}
	rows := [][]string{{"FIELD", "KIND", "UNIT", "NOW", "WHAT IT IS"}}
	for _, f := range all {
		rows = append(rows, []string{f.Field, f.Kind, dash(f.Unit), now(f.Value), f.About})
	}
	t.table(rows)
	return t.err
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func now(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return dash(v)
	}
	return "-"
}
