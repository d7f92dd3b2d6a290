// Package learn keeps what is found out about answers after they were given:
// what callers say of them, and what shows by itself. Each finding is a label,
// without any text of the question or the answer. One switch turns it off.
package learn
