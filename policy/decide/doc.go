// Package decide makes the plan of an ask: which targets may be asked, by rules,
// privacy, mode, network, ability and cost; in which order and for how long; what
// comes when none answers; and why, for each of them. [Plan] is a plain function
// of plain values, without state, clock or randomness, so that the live path,
// explain, tests and replay all see the same plan. It is pure and knows only the
// standard library and policy.
package decide
