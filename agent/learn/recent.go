package learn

// mostRecent is how many answers of the device may be judged with a sketch of
// their question.
const mostRecent = 256

// recent are sketches of questions that the device just answered, in memory
// only, for verdicts that may come of them.
type recent struct {
	of   map[string][]byte // by decision
	ring [mostRecent]string
	next int
}

// add takes the place of the oldest.
func (r *recent) add(decision string, sketch []byte) {
	if sketch == nil {
		return
	}
	if r.of == nil {
		r.of = map[string][]byte{}
	}
	delete(r.of, r.ring[r.next])
	r.of[decision], r.ring[r.next] = sketch, decision
	r.next = (r.next + 1) % mostRecent
}

// sketched is the sketch of a decision's question, nil where none is known.
func (l *Learner) sketched(decision string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent.of[decision]
}

// recall keeps the sketch of a decision's question for a while.
func (l *Learner) recall(decision string, sketch []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.add(decision, sketch)
}
