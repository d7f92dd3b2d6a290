// Package replay computes again what was decided, from the records of it, and
// what another policy would decide of the same asks. A record holds all that a
// decision was given, so the old plan must come out to the letter; what would
// have come of a new one is known where the same target is asked first, and
// estimated from the target's figures at the time where it is not.
package replay
