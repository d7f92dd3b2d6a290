package callers

import "fmt"

// Rules say who may call. The secrets in them are hashed by [Book.Set] and not
// kept.
type Rules struct {
	Listed    []Rule
	Token     string // whoever sends it over TCP may do everything; "" is none
	Strangers bool   // those not listed may call, too
	Asks      int    // that may be in flight at once, of all callers; 0 is no bound
}

// Rule is one caller: known by user id on the socket, or by token over TCP.
type Rule struct {
	Name     string
	UID      *uint32
	Token    string
	Services []string // it may ask for, [Control] among them; nil is all
	Rate     Rate
	Share    float64 // of Asks that it may have in flight; 0 is all
}

// Rate bounds how often a caller may ask; the zero Rate does not.
type Rate struct {
	PerMinute int
	Burst     int // that may come at once; 0 is PerMinute
}

// minToken is the fewest characters of a token that nobody guesses.
const minToken = 16

// Check tells whether the tokens can tell callers apart. Its error names the
// place in the config and repeats no token.
func (r *Rules) Check() error {
	seen := map[string]string{"": ""}
	for i, place := range append([]string{"listen.token"}, places(r.Listed)...) {
		token := r.Token
		if i > 0 {
			token = r.Listed[i-1].Token
		}
		if token != "" && len(token) < minToken {
			return fmt.Errorf("%s is too short: it must have %d characters at least; make one with: openssl rand -hex 32", place, minToken)
		}
		if before := seen[token]; before != "" {
			return fmt.Errorf("%s is the same as %s; give each its own", place, before)
		}
		if token != "" {
			seen[token] = place
		}
	}
	return nil
}

func places(rules []Rule) []string {
	var all []string
	for i := range rules {
		all = append(all, fmt.Sprintf("callers[%d].token", i))
	}
	return all
}
