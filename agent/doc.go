// Package agent is the one road of a request: classify it, let policy plan it,
// walk the plan's steps until one gives a good answer, check every reply, and
// record what happened. It knows no sockets, engines, clouds or databases; who
// those are is behind the small interfaces it owns.
package agent
