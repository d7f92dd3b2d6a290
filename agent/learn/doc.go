// Package learn keeps what is found out about answers after they were given:
// what callers say of them, and what shows by itself. Each finding is a label,
// without any text of the question or the answer, though with a sketch of a
// question that may be kept. From labels it makes tables of how far a model's
// certainty can be trusted, and models of what the words of a question tell.
// One switch turns it off.
package learn
