// Package judge looks at a policy from outside before this device takes it:
// whether it can be read and meant, keeps to its own tests, still answers
// ordinary asks here, and what it would have made of those of the last days. It
// compares what is expected under the policy in force with what is expected
// under the new one, both by the tables of the one in force, so that a policy
// cannot speak for itself. It reaches out to nobody and keeps nothing.
//
// What it cannot see, such as targets that only hang under it, is for the
// probation, whose figures cmd/nearside/helm counts.
package judge
