package seal

import (
	"cmp"
	"strconv"
	"strings"

	"nearside/policy/seal/exact"
)

// release is a version of the program: three numbers, and whether it comes
// before the release of that name (1.2.0-rc1).
type release struct {
	major, minor, patch int
	before              bool
}

// parseVersion reads 1.2.3, v1.2.3, 1.2.3-rc1 and 1.2.3+build; what follows a
// space does not count.
func parseVersion(s string) (release, bool) {
	s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), " ")
	s, _, _ = strings.Cut(s, "+")
	numbers, _, before := strings.Cut(s, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) != 3 {
		return release{}, false
	}
	r := release{before: before}
	for i, to := range []*int{&r.major, &r.minor, &r.patch} {
		n, err := strconv.ParseUint(parts[i], 10, 31)
		if err != nil {
			return release{}, false
		}
		*to = int(n)
	}
	return r, true
}

func isVersion(s string) bool {
	_, ok := parseVersion(s)
	return ok && exact.Printable(s, 1, 64) && !strings.Contains(s, " ")
}

// recentEnough tells whether an agent is of at least the version that is wanted.
// One whose version cannot be read is not.
func recentEnough(agent, wanted string) bool {
	a, okA := parseVersion(agent)
	w, okW := parseVersion(wanted)
	if !okA || !okW {
		return false
	}
	order := cmp.Or(cmp.Compare(a.major, w.major), cmp.Compare(a.minor, w.minor), cmp.Compare(a.patch, w.patch))
	return order > 0 || order == 0 && (!a.before || w.before)
}
