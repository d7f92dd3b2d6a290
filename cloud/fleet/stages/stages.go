// Package stages is a staged rollout as a pure machine: what is retained of it,
// what devices report and the time go in; the next state and what should be
// published or cleared come out. It has no clock, no broker and no memory of
// its own, so that any operator's process can go on where another stopped.
//
// What it promises: nothing is published beyond the share of the stage that is
// going on; a later stage never begins while the failures of an earlier one are
// above the limits; after an abort nothing is published and all that was is
// taken back; a newer version is never overwritten.
package stages

import (
	"slices"
	"time"

	"nearside/policy/seal"
)

// States of a rollout. Aborting takes back what was published; Aborted and Done
// are the end.
const (
	Running  = "running"
	Paused   = "paused"
	Aborting = "aborting"
	Aborted  = "aborted"
	Done     = "done"
)

// What counts as good: the candidate is in force, or it has passed probation.
const (
	UntilApplied   = "applied"
	UntilConfirmed = "confirmed"
)

// Stage is a share of some rings: devices in it are offered the candidate.
type Stage struct {
	Rings []string `json:"rings"`
	Share float64  `json:"share"` // per cent; 100 goes to the ring's own topic
}

// Limits say when a stage has passed and when the rollout aborts itself.
type Limits struct {
	AbortShare float64 `json:"abort_share"` // of the online devices of a stage, 0..1
	AbortMin   int     `json:"abort_min"`   // failures below this many abort nothing but a stage that half failed
	TimeoutMS  int64   `json:"timeout_ms"`  // an online device that said nothing for so long is late, which is a failure
	SoakMS     int64   `json:"soak_ms"`     // how long a stage is watched after its devices have reported
	Until      string  `json:"until"`       // UntilApplied or UntilConfirmed
}

// Rollout is the record of a rollout, retained at the broker: all that another
// process needs to go on.
type Rollout struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Version  int64   `json:"version"`
	Digest   string  `json:"digest"`             // of the payload, hex
	Envelope string  `json:"envelope,omitempty"` // the signed bytes; gone when the rollout has ended
	Stages   []Stage `json:"stages"`
	Salt     string  `json:"salt"` // of the shares
	Limits   Limits  `json:"limits"`

	Stage   int       `json:"stage"` // the one that is going on
	State   string    `json:"state"`
	Why     string    `json:"why,omitempty"` // why it is not running
	Started time.Time `json:"started"`
	Since   time.Time `json:"since"`   // when the stage began or was resumed
	Settled time.Time `json:"settled"` // when its devices had reported; zero: not yet
	Ended   time.Time `json:"ended"`
	Counts  Counts    `json:"counts"` // of the stage, as at the last change

	Rev   int64  `json:"rev"`             // of two records the higher one holds
	By    string `json:"by"`              // the process that wrote it
	Order string `json:"order,omitempty"` // the last order obeyed
}

// Over tells that the rollout has ended.
func (r *Rollout) Over() bool { return r.State == Aborted || r.State == Done }

// Rings are all rings of the rollout, in the order of its stages.
func (r *Rollout) Rings() []string {
	var all []string
	for _, s := range r.Stages {
		for _, ring := range s.Rings {
			if !slices.Contains(all, ring) {
				all = append(all, ring)
			}
		}
	}
	return all
}

// Newer tells that the record a takes the place of b, whichever came first: the
// higher revision, and of equal ones that of the greater process name.
func Newer(a, b *Rollout) bool {
	if a.Rev != b.Rev {
		return a.Rev > b.Rev
	}
	return a.By > b.By
}

// Device is what is known of one device.
type Device struct {
	ID, Ring string
	Online   bool
	Changed  time.Time // when the caller saw it come or go; zero: it was so from the start
	Version  int64     // of the policy in force
	Digest   string
	State    string // of the policy in force: probation, confirmed, ...
	Result   Result // what became of the last document it was offered
	Held     Held   // what its own topic retains
}

// Result is what a device said of a document.
type Result struct {
	Digest string
	OK     bool
	Reason string // of a refusal, lower_snake
}

// Held is what a topic retains; the zero value is nothing.
type Held struct {
	Ours    bool // the very envelope of the rollout
	Version int64
}

// Order is an operator's word to a rollout: pause, resume or abort. Each has an
// id, by which it is obeyed once.
type Order struct {
	ID string    `json:"id"`
	Do string    `json:"do"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Orders.
const (
	Pause  = "pause"
	Resume = "resume"
	Abort  = "abort"
)

// Fleet is what the broker retains, at one moment.
type Fleet struct {
	Now     time.Time
	Devices []Device
	Rings   map[string]Held // by ring
	Order   *Order          // nil: none
}

// Kinds of action.
const (
	Publish = "publish" // the envelope, retained
	Clear   = "clear"   // nothing is retained any more
)

// Action is one thing to do at the broker: to a device's own topic or, where
// Device is "", to a ring's. Doing it twice does no harm.
type Action struct {
	Do     string
	Ring   string
	Device string
}

// parts is how many parts a whole is cut into: a share of p per cent is the
// devices whose [seal.Share] is below 100 p.
const parts = 10_000

// whole tells that the stage is all of its rings.
func (s *Stage) whole() bool { return s.Share >= 100 }

// has tells whether a device of these rings is in the share.
func (s *Stage) has(salt string, d *Device) bool {
	return slices.Contains(s.Rings, d.Ring) && (s.whole() || float64(seal.Share(salt, d.ID)) < s.Share*parts/100)
}
