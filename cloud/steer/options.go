package steer

import (
	"context"
	"encoding/json"
	"time"

	"nearside/cloud/steer/news"
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
	Tell   func(news.Event)
	Report func(news.Status)
	// Waits, if set, is told of every envelope that is refused with
	// [trial.WaitsForFiles], whether or not somebody still waits for what comes of
	// it, so that it can be offered again. It is called like Tell, before anything
	// else is looked at.
	Waits func(envelope []byte, from string)
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
