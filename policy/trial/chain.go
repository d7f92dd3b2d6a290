package trial

import "nearside/policy/seal"

// Follow proves the chain of roots from the configured one, whose digest is
// base, and returns the last of them. What it does not reach is dropped: roots
// up to the configured one since they are in it, all of them when they are of
// another lineage. Lost is then the version that the chain went up to.
func (r Record) Follow(root *seal.Root, base string) (_ Record, last *seal.Root, lost int64) {
	var chain []string
	for _, envelope := range r.Roots {
		if next, err := root.Next([]byte(envelope)); err == nil {
			root = next
			chain = append(chain, envelope)
		}
		if any, err := seal.ParseRoot([]byte(envelope)); err == nil {
			lost = max(lost, any.Version)
		}
	}
	if lost <= root.Version {
		lost = 0
	}
	r.Base, r.Roots = base, chain
	return r, root, lost
}
