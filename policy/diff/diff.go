package diff

import (
	"cmp"
	"slices"

	"nearside/policy"
)

// Kinds of change.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
	Moved   = "moved"
	Renamed = "renamed"
)

// Change is one way in which the second policy differs from the first.
type Change struct {
	Path   string `json:"path"` // keys; a rule's by its name, such as rules.hot.when
	Kind   string `json:"kind"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Report is how two policies differ.
type Report struct {
	Changes  []Change  `json:"changes"`
	Tried    int       `json:"tried"`  // asks in situations
	Cut      bool      `json:"cut"`    // not all of them could be tried
	Differ   int       `json:"differ"` // of these, with another route or target first
	Moves    []Move    `json:"moves"`  // from what to what, the most frequent first
	Examples []Example `json:"examples"`
}

// Move is a change of who is asked first, or of the kind of step where nobody
// is.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
	Asks int    `json:"asks"`
}

// Example is one ask in one situation that goes elsewhere.
type Example struct {
	With   string `json:"with"` // what is not usual about it
	From   string `json:"from"`
	To     string `json:"to"`
	Before string `json:"reason_before"`
	After  string `json:"reason_after"`
}

// Compare tells how b differs from a, both valid, for a device with these
// targets.
func Compare(a, b *policy.Document, targets []policy.Target) *Report {
	r := &Report{Changes: []Change{}, Moves: []Move{}, Examples: []Example{}}
	r.Changes = append(settings(a, b), rules(a, b)...)
	g := newGrid(a, b, targets)
	g.walk(r)
	slices.SortFunc(r.Moves, func(x, y Move) int {
		return cmp.Or(cmp.Compare(y.Asks, x.Asks), cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
	return r
}
