package tell

import (
	"fmt"
	"strconv"
	"strings"

	"nearside/policy"
	"nearside/policy/whatif"
)

// effect is what a rule does, and to whom.
func effect(r *whatif.Rule) string {
	e := &r.Then
	all := targets(r)
	if e.Privacy != "" {
		all = append(all, "makes the ask "+e.Privacy)
	}
	if e.Limit != nil {
		all = append(all, "limits it to "+limit(e.Limit))
	}
	if e.Require != nil {
		all = append(all, "requires "+require(e.Require))
	}
	if c := e.Commit; c != nil {
		all = append(all, "commits "+strings.Join(filled("local ", c.Local, "cloud ", c.Cloud), ", "))
	}
	return strings.Join(all, "; ") + choose(r.Decides, ", and gives the reason", "")
}

// targets is whom a rule names, and how.
func targets(r *whatif.Rule) []string {
	var all []string
	for _, x := range []struct {
		word  string
		names []string
	}{{"denies", r.Then.Deny}, {"forces", r.Then.Force}, {"prefers", r.Then.Prefer}} {
		if len(x.names) > 0 {
			all = append(all, x.word+" "+strings.Join(x.names, ", "))
		}
	}
	if len(r.Hits) > 0 {
		all[len(all)-1] += " (" + strings.Join(r.Hits, ", ") + ")"
	}
	return all
}

func limit(l *policy.Limit) string {
	var all []string
	if l.BudgetMS > 0 {
		all = append(all, strconv.FormatInt(l.BudgetMS, 10)+" ms")
	}
	if l.MaxCost != nil {
		all = append(all, strconv.FormatFloat(*l.MaxCost, 'f', -1, 64)+" USD")
	}
	if l.TokensOut > 0 {
		all = append(all, strconv.Itoa(l.TokensOut)+" tokens out")
	}
	if l.Attempts > 0 {
		all = append(all, strconv.Itoa(l.Attempts)+" attempts")
	}
	return strings.Join(all, ", ")
}

func require(q *policy.Require) string {
	var all []string
	if q.Confidence > 0 {
		all = append(all, fmt.Sprintf("confidence %.2f", q.Confidence))
	}
	if q.Schema {
		all = append(all, "the schema")
	}
	if q.Verified {
		all = append(all, "a verified answer")
	}
	return strings.Join(all, ", ")
}

// filled joins names and values, without the values that are empty.
func filled(pairs ...string) []string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, pairs[i]+pairs[i+1])
		}
	}
	return all
}
