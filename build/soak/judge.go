package main

import (
	"strings"
	"sync"
)

// What can come of a question. The last five must not.
const (
	answered = "answered"
	refused  = "refused" // with an error that says so
	broken   = "broken"  // a stream that ended with an error event
	left     = "left"    // the caller did
	killed   = "killed"  // the daemon was, meanwhile
	lost     = "lost"    // no answer though some target could give one
	wrong    = "wrong"   // not the answer, or not the error, that it must be
	cut      = "cut"     // a stream that ended without an end
	leaked   = "leaked"  // a private question that left the device
	dropped  = "dropped" // the connection broke though the daemon lived
)

// judge says what came of a question.
func judge(q question, r reply, wasKilled bool) string {
	failed := r.failure != ""
	switch {
	case q.near && r.route != "" && r.route != "local" && r.route != "none":
		return leaked
	case r.err != nil && wasKilled:
		return killed
	case q.leaves && (r.err != nil || r.status == 200):
		return left
	case r.err != nil:
		return dropped
	case r.status != 200 && !failed, q.bad && (r.status < 400 || r.status > 499):
		return wrong
	case q.sure && r.status != 200:
		return lost
	case r.status != 200:
		return refused
	case r.stream && failed:
		return broken
	case r.stream && !r.done:
		return cut
	case !strings.Contains(r.text, q.token):
		return wrong
	}
	return answered
}

// tally counts what came of questions.
type tally struct {
	mu      sync.Mutex // guards counts
	counts  map[string]int
	spoiled int
}

// mostSpoiled is how many of what must not be are shown in full.
const mostSpoiled = 10

// add counts, and tells whether it is one of those to be shown.
func (t *tally) add(q question, verdict string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[verdict]++
	t.counts[q.kind+" "+verdict]++
	switch verdict {
	case lost, wrong, cut, leaked, dropped:
		t.spoiled++
		return t.spoiled <= mostSpoiled
	}
	return false
}

func (t *tally) count(name string) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.counts[name])
}
