// Package policy has the words of a decision: the document an operator wrote, its
// rules and their conditions, the ask, a snapshot of everything else that matters,
// and the plan. They are plain values that know only themselves, such as whether a
// condition holds. Who may answer is decided in policy/decide, by what policy/weigh
// says of each target. All three have no state, no clock, no randomness and touch
// no socket or file.
package policy
