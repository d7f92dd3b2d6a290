// Package steering is the control API for policies from outside: the routes by
// which one is brought, seen and taken back, and the forms of what they say. It
// decides nothing; who does is behind [Steered].
package steering

import (
	"context"
	"time"
)

// Paths of the routes.
const (
	Path      = "/v1/policy"
	ApplyPath = "/v1/policy/apply"
	ResetPath = "/v1/policy/reset"
)

// Steered is the device as it is steered. Its errors are [*Refusal] where a
// document is not taken.
type Steered interface {
	// Standing is what is in force, and how it came to be.
	Standing() Standing
	// Apply waits until the envelope is in force or refused, and for no longer
	// than ctx.
	Apply(ctx context.Context, envelope []byte) (Applied, error)
	// Reset returns to the device's own policy. With forget, versions that were
	// taken before may come again.
	Reset(ctx context.Context, forget bool) error
}

// Standing is GET /v1/policy. Version is that of the document in force, 0 for
// one that names none; Digest is the SHA-256 of the remote payload, or of the
// text of the device's own policy; Source is built-in, a file, or how the remote
// one came. State is factory, candidate, probation, confirmed or rolled_back:
// what became of the newest document from outside. Nil is none.
type Standing struct {
	Version     int64            `json:"version"`
	Digest      string           `json:"digest"`
	State       string           `json:"state"`
	Source      string           `json:"source"`
	Signers     []string         `json:"signers"`
	Epoch       int64            `json:"epoch"`
	LastRefusal *Refused         `json:"last_refusal"`
	Candidate   *Candidate       `json:"candidate"`
	RolledBack  *RolledBack      `json:"rolled_back"`
	Floors      map[string]Floor `json:"floors"`
	RootVersion int64            `json:"root_version"` // 0: there is none
	Clock       *Clock           `json:"clock"`
	Expired     bool             `json:"expired"` // its time is over; it stays in force, and nothing of its age comes again
	Held        []string         `json:"held"`    // rules with an until that are in force
	Remote      *Remote          `json:"remote"`  // nil: remote policy is off
	Kinds       []Kind           `json:"kinds"`   // what else came from outside
}

// Remote is who this device is to those who steer it.
type Remote struct {
	Tenant  string            `json:"tenant"`
	Channel string            `json:"channel"`
	Device  string            `json:"device"`
	Ring    string            `json:"ring"`
	Labels  map[string]string `json:"labels,omitempty"`
	Fault   string            `json:"fault,omitempty"` // why it cannot be steered, although it is to be
}

// Refused is a document that was not taken.
type Refused struct {
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail"`
	Version int64     `json:"version,omitempty"` // 0: it cannot be trusted to say
	Digest  string    `json:"digest,omitempty"`
	From    string    `json:"from,omitempty"`
	At      time.Time `json:"at"`
}

// Candidate is a document that is stored or on trial and not confirmed.
type Candidate struct {
	Version  int64     `json:"version"`
	Digest   string    `json:"digest"`
	Step     string    `json:"step"` // candidate, probation
	Since    time.Time `json:"since"`
	Asks     int       `json:"asks"` // answered by it
	Boots    int       `json:"boots"`
	Evidence []string  `json:"evidence,omitempty"`
}

// RolledBack is the latest document that was in force and did harm.
type RolledBack struct {
	Version  int64     `json:"version"`
	Digest   string    `json:"digest"`
	Why      string    `json:"why"`
	Evidence []string  `json:"evidence"`
	At       time.Time `json:"at"`
}

// Floor is the highest that was taken of a kind of document.
type Floor struct {
	Epoch   int64  `json:"epoch"`
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
}

// Clock is what the device believes of the time: unknown, floor or trusted.
type Clock struct {
	State string    `json:"state"`
	Time  time.Time `json:"time"`
}

// Kind is a document of another kind that is in force.
type Kind struct {
	Kind    string `json:"kind"`
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
}

// Applied is the answer to POST /v1/policy/apply. Changed is false where the
// document was in force, on trial or stored already.
type Applied struct {
	Kind    string `json:"kind"` // policy, gate, calibration, prices, targets, root
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	State   string `json:"state"`
	Changed bool   `json:"changed"`
}

// Refusal is why a document is not taken: a lower_snake reason for programs, a
// sentence for people, and what to do, "" where nothing can be said of it.
type Refusal struct{ Reason, Detail, Hint string }

func (r *Refusal) Error() string {
	text := r.Reason
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	if r.Hint != "" {
		text += "; " + r.Hint
	}
	return text
}

// Off is the refusal of a device that takes nothing from outside.
func Off() *Refusal {
	return &Refusal{"remote_off", "this device takes no policy from outside", "set remote.root, tenant and channel in its config, then run: nearside config reload"}
}
