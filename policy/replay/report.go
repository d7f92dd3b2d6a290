package replay

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Report is what another policy would have changed.
type Report struct {
	Records    int       `json:"records"`
	From       time.Time `json:"from"` // of the oldest record
	To         time.Time `json:"to"`   // of the latest
	Unreadable int       `json:"unreadable"`
	Unplanned  int       `json:"unplanned"`        // refused for what they asked for, before there was a plan
	Faults     []string  `json:"faults,omitempty"` // of the first that could not be read

	Recomputed int      `json:"recomputed"`         // their policy is at hand, and was applied again
	Differing  int      `json:"differing"`          // of these, the plans that came out otherwise than recorded
	Differ     []string `json:"differ,omitempty"`   // ids of the first
	Foreign    int      `json:"policy_not_at_hand"` // taken as recorded
	Policies   []Count  `json:"policies"`           // that were in force
	Changed    int      `json:"changed"`            // asks of which the route or its first target changes
	Moves      []Move   `json:"moves"`              // from what to what, the most frequent first
	Estimated  int      `json:"estimated"`          // asks whose outcome under the new policy is estimated, not known
	Assumed    int      `json:"assumed"`            // of these, with a latency, an error rate or a price that was not known
	Before     Totals   `json:"before"`             // as it was
	After      Totals   `json:"after"`              // as it would have been
	Affected   []Change `json:"affected"`           // the most affected asks, the most affected first
}

// Count is a name and how often it was met.
type Count struct {
	Name string `json:"name"`
	Asks int    `json:"asks"`
}

// Move is a change of route: who would have been asked first before and after,
// or the kind of step where that asks nobody.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
	Asks int    `json:"asks"`
}

// Totals are figures of all asks together.
type Totals struct {
	Routes     map[string]int `json:"routes"`      // who answered: local, cloud, cache, stale, default, none
	LocalShare float64        `json:"local_share"` // of all asks
	Quality    float64        `json:"quality"`     // mean chance, 0 to 1, of a good answer
	MS         float64        `json:"ms"`          // mean
	CostUSD    float64        `json:"cost_usd"`    // sum
	MeteredKB  float64        `json:"metered_kb"`  // sum
}

// Change is what the new policy changes for one ask.
type Change struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Task    string    `json:"task"`
	Tokens  int       `json:"tokens_est"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Reason  string    `json:"reason"`     // of the new plan
	Quality float64   `json:"quality"`    // more or less than before
	MS      float64   `json:"ms"`         // more or less than before
	CostUSD float64   `json:"cost_usd"`   // more or less than before
	KB      float64   `json:"metered_kb"` // more or less than before
	Effect  float64   `json:"effect"`     // all of it together, as the new policy's weights count
}

// mostAffected is how many single asks a report shows, and maxNamed how many
// faults and differences.
const (
	mostAffected = 10
	maxNamed     = 5
)

// keep adds a change to the most affected ones, of which it keeps so many as
// are shown.
func keep(all []Change, c Change) []Change {
	at, _ := slices.BinarySearchFunc(all, c, func(a, b Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)), cmp.Compare(a.ID, b.ID))
	})
	if at >= mostAffected {
		return all
	}
	all = slices.Insert(all, at, c)
	return all[:min(len(all), mostAffected)]
}
