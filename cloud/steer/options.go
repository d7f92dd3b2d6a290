package steer

import (
	"context"
	"encoding/json"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// Subject is what is steered by policies. Its methods are called from one
// goroutine at a time each, and must return soon after ctx ends.
type Subject interface {
	// Validate tells why a policy may not be put in force here, best as a
	// *seal.Refusal. It may take some seconds.
	Validate(ctx context.Context, p *seal.Payload) error
	// Swap puts a policy in force between two requests; nil is the device's
	// own. One that fails leaves what was in force.
	Swap(ctx context.Context, p *seal.Payload) error
	// Figures are what came of asks since the process began.
	Figures() trial.Figures
}

// Preparer is a subject that can get ready for a document that it has not seen
// yet, while the disk keeps it. It is told so beside all else that it does.
type Preparer interface {
	Prepare(ctx context.Context)
}

// Kind takes documents of another kind than policy. They are not put on trial.
type Kind interface {
	// Validate tells why a document may not be put in force here.
	Validate(ctx context.Context, p *seal.Payload) error
	// Apply puts it in force; nil goes back to the device's own. One that fails
	// leaves what was in force.
	Apply(ctx context.Context, p *seal.Payload) error
}

// Keeper keeps the record twice, apart from each other, so that neither copy
// can be deleted or set back unnoticed.
type Keeper interface {
	// Load is the copy that is there at once, nil when there is none.
	Load() ([]byte, error)
	// Second waits for the other copy, nil when there is none. Nothing new is
	// taken before it returns; Save does not touch that copy before.
	Second(ctx context.Context) ([]byte, error)
	// Save returns once the record would survive a power cut.
	Save(ctx context.Context, record []byte) error
}

// Obey does what a command says and returns its answer as JSON.
type Obey func(ctx context.Context, args map[string]string) (json.RawMessage, error)

// Rollback is the command that the package obeys itself: from a policy on trial
// to the last good one, from a confirmed one to the one before it, or to the
// device's own.
const Rollback = "rollback"

// Options say who is steered, by whom and how. Device, Root, Keeper, Subject
// and Clock are needed.
type Options struct {
	Device   seal.Device
	Root     []byte // the envelope of the root that is trusted
	Keeper   Keeper
	Subject  Subject
	Kinds    map[string]Kind // by [seal.Payload.Kind]
	Commands map[string]Obey // by [seal.Command.Do]
	// Clock is what speaks for a time now; Elapsed is filled in here.
	Clock func() seal.Evidence
	// Tell is told of every event, Report of every change of the status. Both
	// are called from the goroutine that owns the record and must not wait.
	Tell   func(Event)
	Report func(Status)
	// Share, if set, gives one string for all that are equal: many steers in a
	// process then hold a document once.
	Share func(string) string
}

// Times that bound the work.
const (
	offerWait    = 30 * time.Second // how long an offer waits for its end
	validateTime = 20 * time.Second
	obeyTime     = 30 * time.Second
	saveTime     = 10 * time.Second
	lookEvery    = time.Second // at a policy on trial
	lookSeldom   = 5 * time.Second
	askAgain     = 30 * time.Second
	idleEvery    = 5 * time.Minute
	sureSave     = 24 * time.Hour // the record is saved at least so often, for the floor of the clock
	maxQueue     = 64             // offers, and commands, that wait
	maxObeying   = 4
	maxWaiting   = 4  // envelopes kept in memory since their time or their root may come
	maxKnown     = 64 // refusals remembered
	saveAsks     = 10 // asks under trial after which they are saved
)

// Kinds of events.
const (
	EventRefused    = "refused"
	EventCandidate  = "candidate" // in force, its probation begins
	EventConfirmed  = "confirmed"
	EventRolledBack = "rolled_back"
	EventReplaced   = "replaced" // on trial, and a newer one took its place
	EventApplied    = "applied"  // a document of another kind
	EventRoot       = "root_rotated"
	EventRootsLost  = "roots_dropped" // the chain does not follow the configured root
	EventCommand    = "command"
	EventFloor      = "floor_restored" // a copy of the record was missing, damaged or old
	EventLost       = "record_lost"    // both were
	EventMoved      = "moved"          // to another tenant or channel
	EventUnsaved    = "unsaved"
	EventExpired    = "expired"  // in force, and past its end; it stays
	EventUnusable   = "unusable" // confirmed, and could not be put in force at boot
	EventReset      = "reset"    // to the device's own, by hand
)

// Event is something that happened, once.
type Event struct {
	Kind     string    `json:"kind"`
	At       time.Time `json:"at"`
	What     string    `json:"what,omitempty"` // the kind of document, or the command
	Version  int64     `json:"version,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	Evidence []string  `json:"evidence,omitempty"`
	From     string    `json:"from,omitempty"`
	More     int64     `json:"more,omitempty"` // others of the kind that were not told, there were so many
}

// Result is what came of an offer: put in force, or already there.
type Result struct {
	Kind    string `json:"kind"`
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	State   string `json:"state,omitempty"` // of a policy
	Again   bool   `json:"again,omitempty"` // it was in force already, and nothing was done
}

// Answer is what a command came to. It is the same each time it arrives.
type Answer struct {
	ID     string          `json:"id"`
	OK     bool            `json:"ok"`
	Result json.RawMessage `json:"result,omitempty"` // absent when it was too large to be kept
	Again  bool            `json:"again,omitempty"`  // it was answered before, and nothing was done
}

// Status is how things are.
type Status struct {
	Version     int64          `json:"version"` // in force; 0 is the device's own
	Epoch       int64          `json:"epoch"`
	Digest      string         `json:"digest,omitempty"`
	State       string         `json:"state"` // factory candidate probation confirmed rolled_back
	Signers     []string       `json:"signers,omitempty"`
	Expired     bool           `json:"expired,omitempty"`   // in force, and past its end
	Candidate   string         `json:"candidate,omitempty"` // digest of what is being validated
	Trial       *Trying        `json:"trial,omitempty"`     // in force, and not confirmed
	LastRefusal *trial.Refused `json:"last_refusal,omitempty"`
	RolledBack  *trial.Bad     `json:"rolled_back,omitempty"` // the last one
	Evidence    []string       `json:"evidence,omitempty"`    // of the probation or what it came to
	Kinds       []Result       `json:"kinds,omitempty"`
	Floors      seal.Floors    `json:"floors,omitempty"`
	Clock       seal.Reading   `json:"clock"`
	RootVersion int64          `json:"root_version"`
	Session     int64          `json:"session"`
	Waiting     int            `json:"waiting,omitempty"` // envelopes whose time or root has not come
	Unsaved     string         `json:"unsaved,omitempty"` // why the record cannot be saved
	Fault       string         `json:"fault,omitempty"`   // why the device's own policy is in force instead
	Saves       int64          `json:"saves"`
	Counts      trial.Counts   `json:"counts"`
}

// Trying is a policy on trial.
type Trying struct {
	Version int64     `json:"version"`
	Digest  string    `json:"digest"`
	Step    string    `json:"step"`  // candidate probation
	Since   time.Time `json:"since"` // when it was verified
	Asks    int64     `json:"asks"`  // that it has been judged by so far
	Boots   int       `json:"boots"` // after the process ended without a word
}
