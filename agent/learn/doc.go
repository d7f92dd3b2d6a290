// Package learn keeps what is found out about answers after they were given:
// what callers say of them, and what shows by itself. Each finding is a label,
// without any text of the question or the answer. A [Learner] takes lessons and
// verdicts, has labels kept, watches for drift, and makes a standing of each local
// model of them, which is an agent's calibration. One switch turns it off.
package learn
