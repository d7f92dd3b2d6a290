package wire

import "time"

// Birth is a device's retained state: sent when a session begins and, as the
// will that the broker sends for it, when it ended. A will of an older session
// than the newest birth says nothing.
type Birth struct {
	Session int64      `json:"session"` // grows with each connection, and outlasts restarts
	Online  bool       `json:"online"`
	At      *time.Time `json:"at,omitempty"`    // by the device's clock, nil in a will
	Agent   string     `json:"agent,omitempty"` // version of the program
	Ring    string     `json:"ring,omitempty"`
	By      string     `json:"by,omitempty"` // names the process: another one's birth shows that two use one device's name
}

// Status is a device's retained report: what it applies and how it fares.
type Status struct {
	Device  string    `json:"device"`
	Ring    string    `json:"ring,omitempty"`
	Agent   string    `json:"agent"`   // version of the program
	Session int64     `json:"session"` // 0 before the first connection
	Seq     int64     `json:"seq"`     // grows with each report
	At      time.Time `json:"at"`      // by the device's clock

	Policy  Applied   `json:"policy"`
	Kinds   []Applied `json:"kinds,omitempty"`  // what else is in force: gate, prices ...
	Result  *Result   `json:"result,omitempty"` // of the newest envelope that came; nil when none did
	Root    int64     `json:"root_version"`     // 0: there is none
	Clock   Clock     `json:"clock"`
	Queue   Queue     `json:"queue"`
	Health  []Health  `json:"health,omitempty"` // only what is not well
	Traffic Traffic   `json:"traffic"`
	Uptime  int64     `json:"uptime_s"`
}

// Applied is what is in force: version 0 is the device's own.
type Applied struct {
	Kind    string `json:"kind,omitempty"` // "" is policy
	Version int64  `json:"version"`
	Epoch   int64  `json:"epoch,omitempty"`
	Digest  string `json:"digest,omitempty"` // SHA-256 of the payload, hex; "" for the device's own
	State   string `json:"state"`            // factory candidate probation confirmed rolled_back
}

// Result is what became of an envelope. Reason is a token of policy/seal's list
// and of those who judge after it; "" when OK.
type Result struct {
	Kind     string   `json:"kind,omitempty"` // "" is policy
	Version  int64    `json:"version,omitempty"`
	Digest   string   `json:"digest,omitempty"`
	OK       bool     `json:"ok"`
	Reason   string   `json:"reason,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Evidence []string `json:"evidence,omitempty"` // figures that a roll-back rests on
}

// Clock is what a device thinks of its clock: unknown, floor or trusted.
type Clock struct {
	State string     `json:"state"`
	Time  *time.Time `json:"time,omitempty"`
}

// Queue is the device's outbox: notes that wait, and those that were given up
// since the device was first started.
type Queue struct {
	Depth   int64 `json:"depth"`
	Dropped int64 `json:"dropped"`
}

// Health is one condition that is not well: severity info, warn or fail.
type Health struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
}

// Traffic sums up the asks since the policy in force was put there. What is not
// known is nil.
type Traffic struct {
	Asks       int64    `json:"asks"`
	Errors     int64    `json:"errors"`
	Refusals   int64    `json:"refusals"`
	LocalShare *float64 `json:"local_share,omitempty"` // 0 to 1
	CostUSD    *float64 `json:"cost_usd,omitempty"`
	P50MS      *float64 `json:"p50_ms,omitempty"`
	P95MS      *float64 `json:"p95_ms,omitempty"`
}

// Notice is an event of a device. It may come more than once, always with the
// same ID.
type Notice struct {
	ID   string         `json:"id"`
	At   time.Time      `json:"at"` // by the device's clock
	Kind string         `json:"kind"`
	Data map[string]any `json:"data,omitempty"`
}

// Answer is what a device says to a command; a command that comes twice has the
// same answer.
type Answer struct {
	ID     string         `json:"id"` // of the command
	Device string         `json:"device"`
	OK     bool           `json:"ok"`
	Result map[string]any `json:"result,omitempty"`
	Error  string         `json:"error,omitempty"`
}
