// Package bind holds a policy from outside to what the device's own policy says
// on privacy and spending: it can tighten that, never loosen it. Denied clouds,
// private asks, caps on cost, tokens and attempts, what answers must be,
// critical services and error budgets of the own document bind whatever is in
// force; weights, ladders of devices, times and preferences do not. It is pure
// and knows only the standard library and policy.
package bind
