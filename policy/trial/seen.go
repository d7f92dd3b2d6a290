package trial

import (
	"slices"
	"time"

	"nearside/policy/seal"
)

// Seen is a command that was begun. Done is false until it ended.
type Seen struct {
	ID     string    `json:"id"`
	Until  time.Time `json:"until"` // after which the command is expired
	Done   bool      `json:"done,omitempty"`
	OK     bool      `json:"ok,omitempty"`
	Answer string    `json:"answer,omitempty"` // JSON; "" when too large to be kept
}

// Answered finds a command that was begun before.
func (r Record) Answered(id string) (Seen, bool) {
	i := r.seen(id)
	if i < 0 {
		return Seen{}, false
	}
	return r.Seen[i], true
}

func (r Record) seen(id string) int {
	return slices.IndexFunc(r.Seen, func(s Seen) bool { return s.ID == id })
}

// Begun remembers a command before it is obeyed, so that it is not obeyed
// twice. Commands that have expired at the floor of the clock are forgotten,
// since they would not be obeyed, nor would they be if the floor came down: what
// expires no later than one that was forgotten is refused. With too many others
// it is refused, too.
func (r Record) Begun(id string, until time.Time) (Record, error) {
	if !until.After(r.Passed) {
		return r, &seal.Refusal{Reason: seal.Expired, Detail: "commands until " + r.Passed.Format(time.RFC3339) + " are over on this device"}
	}
	floor := r.Clock.Floor
	r.Seen = slices.DeleteFunc(slices.Clone(r.Seen), func(s Seen) bool {
		over := !s.Until.After(floor)
		if over && s.Until.After(r.Passed) {
			r.Passed = s.Until
		}
		return over
	})
	if len(r.Seen) >= MaxSeen {
		return r, &seal.Refusal{Reason: TooManyCommands, Detail: "128 commands may still arrive again; sign commands that expire sooner"}
	}
	r.Seen = append(r.Seen, Seen{ID: id, Until: until.UTC()})
	return r, nil
}

// Ended keeps the answer to a command. Of answers that do not fit, the oldest
// are dropped; that they were given is not forgotten.
func (r Record) Ended(id string, ok bool, answer string) Record {
	i := r.seen(id)
	if i < 0 {
		return r
	}
	if len(answer) > MaxAnswer {
		answer = ""
	}
	r.Seen = slices.Clone(r.Seen)
	s := &r.Seen[i]
	s.Done, s.OK, s.Answer = true, ok, answer
	all := 0
	for j := len(r.Seen) - 1; j >= 0; j-- {
		if all += len(r.Seen[j].Answer); all > maxAnswers {
			r.Seen[j].Answer = ""
		}
	}
	return r
}
