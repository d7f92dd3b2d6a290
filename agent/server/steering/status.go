package steering

import "time"

// Link is how this device stands with those who steer it, for the status. Nil
// is not known, or not configured.
type Link struct {
	Tenant      string           `json:"tenant"`
	Channel     string           `json:"channel"`
	Device      string           `json:"device"`
	Ring        string           `json:"ring"`
	RootVersion int64            `json:"root_version"` // 0: there is none that can be used
	Fault       *string          `json:"fault"`        // why it cannot be steered
	Clock       *Clock           `json:"clock"`
	MQTT        *Broker          `json:"mqtt"` // nil: no broker is configured
	Pull        *Pulled          `json:"pull"` // nil: nothing is pulled
	Outbox      Outbox           `json:"outbox"`
	Taken       int64            `json:"taken"`       // documents put in force, since the record began
	RolledBack  int64            `json:"rolled_back"` // of them taken back, since the record began
	Refusals    map[string]int64 `json:"refusals"`    // by reason, since the record began
}

// Broker is the link to a broker.
type Broker struct {
	Connected bool       `json:"connected"`
	Broker    *string    `json:"broker"` // of the connection, else of the latest attempt
	Since     *time.Time `json:"since"`  // of the connection, or of its loss
	LastError *string    `json:"last_error"`
	NextTry   *time.Time `json:"next_try"`
	Session   int64      `json:"session"`
	Attempts  uint64     `json:"attempts"`
	Received  uint64     `json:"received"`
	Sent      uint64     `json:"sent"`
	Untrusted uint64     `json:"untrusted"` // attempts at brokers that did not prove who they are
	Dropped   uint64     `json:"dropped"`   // that came and were not taken in: too large, not ours, too many
}

// Pulled is what came of asking an address for documents.
type Pulled struct {
	At        *time.Time `json:"at"` // of the latest answer
	LastError *string    `json:"last_error"`
}

// Outbox is what waits to be told to the operator.
type Outbox struct {
	Notes   int64 `json:"notes"`
	Dropped int64 `json:"dropped"` // for want of room, since the store began
}
