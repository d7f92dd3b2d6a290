// Package weigh says what each target is worth for one ask: a utility, the terms
// it is the sum of and what had to be assumed for them, since figures that are
// not known count in the middle. It says in which order the members of a pool are
// asked, too, where several are worth about as much, and what is to be expected
// of a target that is asked. It is pure and knows only the standard library and
// policy.
package weigh
