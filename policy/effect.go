package policy

// Effect is what a rule does. Deny, Force and Prefer name targets: "local",
// "cloud", "local/NAME" or "cloud/NAME". Of two limits the lower binds, of two
// commit rules the first; what is required adds up.
type Effect struct {
	Deny    []string `json:"deny,omitempty"`   // they are not asked
	Force   []string `json:"force,omitempty"`  // only they are asked
	Prefer  []string `json:"prefer,omitempty"` // they are asked first
	Limit   *Limit   `json:"limit,omitempty"`
	Require *Require `json:"require,omitempty"`
	Commit  *Commit  `json:"commit,omitempty"`  // in place of the service's; "" leaves one side as it is
	Privacy string   `json:"privacy,omitempty"` // private: the ask stays on the device, and nothing of it is kept
}

// Limit bounds what one ask may use. 0 and nil do not bound.
type Limit struct {
	BudgetMS  int64    `json:"budget_ms,omitempty"`    // for all steps together
	MaxCost   *float64 `json:"max_cost_usd,omitempty"` // a target without a price is not eligible under it
	TokensOut int      `json:"tokens_out,omitempty"`   // of the answer
	Attempts  int      `json:"attempts,omitempty"`     // targets that are asked, each in one round only
}

// Require is what an answer must be to be given at all.
type Require struct {
	Confidence float64 `json:"confidence,omitempty"` // a local one is good from here on, 0 to 1, where the threshold is lower
	Schema     bool    `json:"schema,omitempty"`     // one without the form asked for is not given, not even for want of a better
	Verified   bool    `json:"verified,omitempty"`   // made and checked for this very ask: nothing kept, no poor one, none whose check says nothing
}

// Names tells whether one of the list, such as an effect's, names the target,
// by its name or by its side.
func Names(list []string, t *Target) bool {
	for _, n := range list {
		if n == t.Name || n == Local && t.Local() || n == Cloud && !t.Local() {
			return true
		}
	}
	return false
}
