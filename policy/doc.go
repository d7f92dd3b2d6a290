// Package policy decides who may answer an ask, in which order and for how
// long. [Decide] is a plain function of plain values: the document an operator
// wrote, the ask, and a snapshot of everything else that matters. It has no
// state, no clock, no randomness and touches no socket or file, so that the
// live path, explain, tests and replay all see the same plan.
package policy
