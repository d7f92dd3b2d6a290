package trial

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"nearside/policy/seal"
)

// Bounds of a record.
const (
	MaxBoots   = 3         // boots that the end of a process left behind it, before a document is given up
	MaxRoots   = 64        // roots after the configured one
	MaxFloors  = 256       // tenants, channels and kinds
	MaxBad     = 8         // digests of one floor that are not taken again
	MaxSeen    = 128       // commands that may still arrive again
	MaxAnswer  = 4 << 10   // bytes of an answer that is kept
	maxAnswers = 32 << 10  // bytes of all answers together
	MaxRecord  = 1<<20 - 1 // bytes of an encoded record
	maxReasons = 64        // reasons that are counted apart
	maxText    = 1024      // bytes of a line of evidence or detail
	maxLines   = 16
)

// Step is how far a document on trial is.
type Step string

// Steps. A candidate is stored and the floor risen; one on probation is in
// force and watched. A record without a trial has no step.
const (
	Candidate Step = "candidate"
	OnTrial   Step = "probation"
)

// Record is all that must outlive a power cut. It is a value: every step makes
// another one and leaves the old as it was. The zero Record is a device that
// was never steered.
type Record struct {
	Seq     int64      `json:"seq"`     // of how many that were saved this is the last
	Session int64      `json:"session"` // boots
	Clock   seal.Clock `json:"clock"`
	Base    string     `json:"base,omitempty"`  // digest of the configured root that Roots follow
	Roots   []string   `json:"roots,omitempty"` // envelopes, each the next of the one before
	// Floors never fall.
	Floors seal.Floors      `json:"floors,omitempty"`
	Good   *Held            `json:"good,omitempty"`   // the last policy that was confirmed
	Before *Held            `json:"before,omitempty"` // the one confirmed before it
	Kinds  map[string]*Held `json:"kinds,omitempty"`  // documents of other kinds, in force
	// Were are the documents before those in Kinds that are not known to be in
	// force yet.
	Were map[string]*Held `json:"were,omitempty"`
	// Next is verified and not yet validated.
	Next      *Held `json:"next,omitempty"`
	NextBoots int   `json:"next_boots,omitempty"`
	// Trial is validated; see Step.
	Trial     *Held     `json:"trial,omitempty"`
	Step      Step      `json:"step,omitempty"`
	Boots     int       `json:"boots,omitempty"`
	Clean     bool      `json:"clean,omitempty"` // the last process ended as it should
	Probation Probation `json:"probation,omitzero"`
	Rolled    bool      `json:"rolled,omitempty"` // the last trial ended in a rollback
	Bad       []Bad     `json:"bad,omitempty"`    // the newest last
	Refused   *Refused  `json:"refused,omitempty"`
	Seen      []Seen    `json:"seen,omitempty"`  // the oldest first
	Passed    time.Time `json:"passed,omitzero"` // commands until then are obeyed no more, see [Record.Begun]
	Counts    Counts    `json:"counts,omitzero"`
}

// Probation is what is known of a document since it is on trial. It is saved
// now and then, so that a restart costs a few asks and not all.
type Probation struct {
	Usual   Figures       `json:"usual"`   // the time before
	Sofar   Figures       `json:"sofar"`   // what came of asks since, until it was last saved
	Watched time.Duration `json:"watched"` // how long since, until it was last saved
}

// Held is a signed document that is kept: the very bytes that were signed, and
// what they say.
type Held struct {
	Payload  string    `json:"payload"`
	SignedBy []string  `json:"signed_by"`
	From     string    `json:"from,omitempty"` // the road it came by
	At       time.Time `json:"at"`             // when it was verified, or confirmed

	Said   *seal.Payload `json:"-"` // its Body only in Payload
	Digest string        `json:"-"`
}

// Bad is a document that was in force or would have been, and is not taken
// again.
type Bad struct {
	Floor    string    `json:"floor"` // [seal.FloorKey]
	Digest   string    `json:"digest"`
	Version  int64     `json:"version"`
	Why      string    `json:"why"` // a token, see [Reasons]
	Evidence []string  `json:"evidence,omitempty"`
	At       time.Time `json:"at"`
}

// Refused is the last that was refused.
type Refused struct {
	seal.Refusal
	Kind    string    `json:"kind,omitempty"`    // of a document that was signed rightly
	Version int64     `json:"version,omitempty"` // likewise
	Digest  string    `json:"digest,omitempty"`  // likewise; of others the SHA-256 of what came
	From    string    `json:"from,omitempty"`
	At      time.Time `json:"at"`
}

// Counts only grow.
type Counts struct {
	Taken   int64            `json:"taken"` // put on trial, or in force where there is none
	Rolled  int64            `json:"rolled"`
	Refused map[string]int64 `json:"refused,omitempty"` // by reason; "other" beyond the bound
}

// Reasons why a document that was verified is not taken, or given up; those of
// policy/seal come before.
const (
	Invalid          = "invalid"            // no policy that this program understands
	FailsOwnTests    = "fails_own_tests"    // the cases written into it do not hold
	HarmfulReplay    = "harmful_replay"     // recorded asks would have fared too badly
	RolledBackBefore = "rolled_back_before" // it did harm here
	NotKept          = "not_kept"           // the record could not be saved
	Busy             = "busy"               // too many wait already
	TooManyRoots     = "too_many_roots"     // the chain from the configured root is full
	TooManyCommands  = "too_many_commands"  // answers to those that may still come again fill the record
	UnknownCommand   = "unknown_command"
	NotApplied       = "not_applied" // it was valid, and could not be put in force
	Harm             = "harm"        // probation found it
	Crashes          = "crashes"     // the process ended again and again while it was tried
	Ordered          = "ordered"     // a command rolled it back
	NothingToRoll    = "nothing_to_roll_back"
	WaitsForFiles    = "waits_for_files" // it is fetched what it names; then it is looked at again
	AnswersNothing   = "answers_nothing" // ordinary asks would get nothing, as things are
	NotJudged        = "not_judged"      // it could not be looked at; it may be offered again
)

// Hold makes a document to keep of its signed bytes.
func Hold(payload string, signedBy []string, from string, at time.Time) (*Held, error) {
	h := &Held{Payload: payload, SignedBy: signedBy, From: from, At: at.UTC().Truncate(time.Second)}
	return h, h.read()
}

// read finds out what the bytes say.
func (h *Held) read() error {
	p, err := seal.ParsePayload([]byte(h.Payload))
	if err != nil {
		return err
	}
	p.Body = ""
	h.Said, h.Digest = p, seal.Digest([]byte(h.Payload))
	return nil
}

// Open is all that the document says, its body with it.
func (h *Held) Open() (*seal.Payload, error) { return seal.ParsePayload([]byte(h.Payload)) }

// Floor names the document's floor.
func (h *Held) Floor() string {
	return seal.FloorKey(h.Said.Tenant, h.Said.Channel, h.Said.Kind)
}

// InForce is the policy that is to be in force, nil for the device's own.
func (r Record) InForce() *Held { return cmp.Or(r.Trial, r.Good) }

// State is the word for how things are.
func (r Record) State() string {
	switch {
	case r.Trial != nil:
		return string(r.Step)
	case r.Rolled:
		return "rolled_back"
	case r.Good != nil:
		return "confirmed"
	}
	return "factory"
}

// Heights are the floors as [seal.Root.Verify] wants them, with what is in
// force.
func (r Record) Heights() seal.Floors {
	f := seal.Floors{}
	maps.Copy(f, r.Floors)
	now := slices.Collect(maps.Values(r.Kinds))
	if p := r.InForce(); p != nil {
		now = append(now, p)
	}
	for _, h := range now {
		at := f[h.Floor()]
		at.Current = h.Digest
		f[h.Floor()] = at
	}
	return f
}

// Action is what a record wants done.
type Action int

// Actions. After Validate comes [Record.Stored], [Record.Applied] or
// [Record.Dropped], after Swap [Record.Swapped] or [Record.RolledBack].
const (
	Rest Action = iota
	Validate
	Swap
	Observe
)

// Todo is what is to be done next, after a step as after a power cut. A
// candidate comes before what is to be validated.
func (r Record) Todo() Action {
	switch {
	case r.Step == Candidate:
		return Swap
	case r.Next != nil:
		return Validate
	case r.Step == OnTrial:
		return Observe
	}
	return Rest
}

// Given tells whether a document was given up here before, and why.
func (r Record) Given(digest string) *Bad {
	for i := range r.Bad {
		if r.Bad[i].Digest == digest {
			return &r.Bad[i]
		}
	}
	return nil
}
