// Package whatif tells what stands behind a plan and what would change it: the
// rules that applied, test by test, why each other target does not come first,
// and the smallest changes that would have another one go first. It asks
// [decide.Plan] what it would do rather than knowing its ways, so that what it
// says is true by construction. It is pure and knows only the standard library
// and policy.
package whatif
