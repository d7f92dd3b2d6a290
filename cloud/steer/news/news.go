// Package news has the words in which a device tells what becomes of the signed
// documents and commands that reach it: events, each told once, how things are now,
// and what came of an offer or a command.
package news

import (
	"encoding/json"
	"reflect"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// Kinds of events.
const (
	Refused    = "refused"
	Candidate  = "candidate" // in force, its probation begins
	Confirmed  = "confirmed"
	RolledBack = "rolled_back"
	Replaced   = "replaced" // on trial, and a newer one took its place
	Applied    = "applied"  // a document of another kind
	Root       = "root_rotated"
	RootsLost  = "roots_dropped" // the chain does not follow the configured root
	Command    = "command"
	Floor      = "floor_restored" // a copy of the record was missing, damaged or old
	Lost       = "record_lost"    // both were
	Moved      = "moved"          // to another tenant or channel
	Unsaved    = "unsaved"
	Expired    = "expired"  // in force, and past its end; it stays
	Unusable   = "unusable" // confirmed, and could not be put in force at boot
	Reset      = "reset"    // to the device's own, by hand
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
	Trial       *Trial         `json:"trial,omitempty"`     // in force, and not confirmed
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

// Same tells whether two looks differ in nothing that others want to know.
func (s *Status) Same(other *Status) bool {
	a, b := *s, *other
	a.Clock.Time, a.Saves, a.Evidence = b.Clock.Time, b.Saves, b.Evidence
	if a.Trial != nil && b.Trial != nil {
		t := *a.Trial
		t.Asks = b.Trial.Asks
		a.Trial = &t
	}
	return reflect.DeepEqual(a, b)
}

// Trial is a policy on trial.
type Trial struct {
	Version int64     `json:"version"`
	Digest  string    `json:"digest"`
	Step    string    `json:"step"`  // candidate probation
	Since   time.Time `json:"since"` // when it was verified
	Asks    int64     `json:"asks"`  // that it has been judged by so far
	Boots   int       `json:"boots"` // after the process ended without a word
}
