package push

import "time"

// Pace is how a link waits. Tests shorten it.
type Pace struct {
	Least   time.Duration // first window of waits while no connection came about: 1 s
	First   time.Duration // window after a connection was lost: 30 s
	Most    time.Duration // largest window: 5 min; twelve times that while another device uses the client id
	Steady  time.Duration // a connection that held for so long worked: 1 min
	Nudge   time.Duration // window once the network came back: 5 s
	Connect time.Duration // limit of one attempt, from the name look-up to the broker's yes: 20 s
	Answer  time.Duration // limit of an answer to a ping or a note: 30 s
}

func (p *Pace) fill() {
	for field, usual := range map[*time.Duration]time.Duration{
		&p.Least: time.Second, &p.First: 30 * time.Second, &p.Most: 5 * time.Minute, &p.Steady: time.Minute,
		&p.Nudge: 5 * time.Second, &p.Connect: 20 * time.Second, &p.Answer: 30 * time.Second,
	} {
		if *field <= 0 {
			*field = usual
		}
	}
}

// backoff says how long to wait before the next attempt: a random part of a
// window that grows with each failure ("full jitter", Brooker, "Exponential
// Backoff and Jitter", 2015). After a connection was lost the window begins at
// First and not at Least: else the devices of a fleet whose broker is away for
// some seconds would all be in small windows when it comes back. It stays there
// while the loss is not longer ago than that, so that those who were too early in
// a restart are not late after it.
type backoff struct {
	pace   Pace
	window time.Duration
	spent  time.Duration // of waits, since a connection that worked was lost
	recent bool          // that was less than First ago
	fights int           // how often the client id was found in use elsewhere
}

// ending is what became of an attempt.
type ending struct {
	up    bool          // a broker answered
	held  time.Duration // for so long there was a connection
	taken bool          // another device was seen to use the client id
	again bool          // it was ended here in order to make another at once
	err   error         // never nil
}

// wait is how long; jitter gives a random time below its argument.
func (b *backoff) wait(e ending, jitter func(time.Duration) time.Duration) time.Duration {
	if e.again {
		return 0
	}
	if b.contested(e) {
		b.window = min(b.pace.Most<<min(b.fights-1, 4), 12*b.pace.Most)
		return b.window/2 + jitter(b.window/2)
	}
	switch {
	case e.held >= b.pace.Steady:
		b.window, b.spent = b.pace.First, 0
	case !e.up && b.recent:
	case e.up:
		b.window = max(2*b.window, b.pace.First)
	default:
		b.window = max(2*b.window, b.pace.Least)
	}
	b.window = min(b.window, b.pace.Most)
	wait := jitter(b.window)
	b.spent += wait
	b.recent = b.window == b.pace.First && b.spent < b.pace.First
	return wait
}

// contested tells whether two devices take the session from one another. From
// the first sign until a connection held for very long each end of one counts
// as that, and the waits grow: neither is to win, and the broker is not to be
// stormed.
func (b *backoff) contested(e ending) bool {
	if e.held >= 12*b.pace.Most {
		b.fights = 0
	}
	if e.taken || e.up && b.fights > 0 {
		b.fights++
	}
	return e.up && b.fights > 0
}
