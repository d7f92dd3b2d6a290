package judge

import (
	"fmt"
	"slices"
	"strings"

	"nearside/agent/config/written"
)

// strangers warns of targets that rules name and this device does not have.
func strangers(draft *written.Draft, known []string, j *Judgement) {
	for i := range draft.Doc.Rules {
		r := &draft.Doc.Rules[i]
		for _, list := range []struct {
			name  string
			names []string
		}{{"deny", r.Then.Deny}, {"force", r.Then.Force}, {"prefer", r.Then.Prefer}} {
			for k, target := range list.names {
				if !strings.Contains(target, "/") || slices.Contains(known, target) {
					continue
				}
				path := fmt.Sprintf("rules[%d].then.%s[%d]", i, list.name, k)
				line, column := draft.Place(path)
				j.warn("%s:%d:%d: %s: rule %s names %s, which this device does not have", bodyName, line, column, path, r.Name, target)
			}
		}
	}
}
