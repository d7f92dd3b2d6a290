// Package standing says what is known of each local target's model: how far its
// certainty can be trusted, what to expect of it before it answers, and whether the
// words of a question tell anything of that. A standing follows from evidence
// alone (what was measured before, labels, how sure answers were lately) and does
// not change; together they are an agent's calibration.
package standing
