package config

import (
	"time"

	"nearside/agent/config/remote"
	"nearside/agent/config/secret"
)

// Config is what an operator can set, see [Load] and [Default]; paths are
// absolute. Call [Config.Validate] after flags have been put over it.
type Config struct {
	Listen   Listen              `json:"listen"`
	State    string              `json:"state"` // folder of the daemon's files, 0700; "" when there is no home: nothing outlasts a run
	Local    Local               `json:"local"`
	Cloud    Cloud               `json:"cloud"`
	Services map[string]*Service `json:"services,omitempty"` // what is set for JSON APIs, by service
	Callers  []Caller            `json:"callers,omitempty"`  // who may ask; none: every local user
	// Strangers says what those not listed may do: allow or refuse; "" is allow
	// where nobody is listed, else refuse.
	Strangers string         `json:"strangers,omitempty"`
	Cache     Cache          `json:"cache"`
	Policy    string         `json:"policy,omitempty"` // file, or profile:NAME of one that is built in; "" is the default one
	Learn     Learn          `json:"learn"`
	Remote    *remote.Remote `json:"remote,omitempty"`
	Drain     time.Duration  `json:"drain"` // how long running requests may take to end at shutdown
	Log       Log            `json:"log"`

	// InstalledFault says why what is installed could not be used, "" when it
	// was or was not needed.
	InstalledFault string `json:"-"`
	// Empty tells that there was a file with nothing in it, not even a comment.
	Empty bool `json:"-"`
}

// Listen says where requests come in.
type Listen struct {
	Socket string     `json:"socket"`
	HTTP   string     `json:"http"` // host:port, "" is off
	TLS    *TLS       `json:"tls,omitempty"`
	Token  secret.Key `json:"token,omitzero"`
	// Hosts are the values that a Host header may have on TCP, each without a
	// port and in lower case: compare what is left of the header, in lower case
	// too, when its port is cut off. An IPv6 address is in brackets, as it is there.
	Hosts   []string `json:"hosts"`
	Origins []string `json:"origins,omitempty"` // values of Origin the OpenAI routes take
	Asks    int      `json:"asks"`              // that may be in flight at once, of all callers
}

// TLS names a certificate and its key, both PEM files.
type TLS struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// Local is the engine on the device and its models. Without an engine or models
// of its own it uses the installed ones; there may be none.
type Local struct {
	Disabled bool    `json:"disabled"`
	Engine   Engine  `json:"engine"`
	Models   []Model `json:"models,omitempty"`
	Gate     *Gate   `json:"gate,omitempty"` // tells what a short text asks for; nil: there is none
}

// Engine is a program with llama-server's flags, or the OpenAI-like server at URL.
type Engine struct {
	Command []string      `json:"command,omitempty"`
	URL     string        `json:"url,omitempty"`
	Idle    time.Duration `json:"idle"`            // unused for so long, the program is stopped; 0 is never
	Start   string        `json:"start"`           // ask: at the first request that needs it; boot: with the daemon
	Threads int           `json:"threads"`         // 0 is one less than there are cores
	Memory  Bytes         `json:"memory"`          // what it may have beside the model; 0 goes by the model
	Reads   []string      `json:"reads,omitempty"` // files and folders it may read beside what it is seen to need
	Sandbox bool          `json:"sandbox"`         // closed in, as far as the machine allows
}

// Model is one local model: a file, or a name that the server at [Engine] URL knows.
type Model struct {
	Name     string             `json:"name"`
	File     string             `json:"file,omitempty"`
	SHA256   string             `json:"sha256,omitempty"` // lower case; "": taken at the first load
	Services []string           `json:"services"`
	Context  int                `json:"context,omitempty"` // tokens; 0 is as the engine likes
	System   string             `json:"system,omitempty"`  // the system prompt it works best with
	Sampling map[string]float64 `json:"sampling,omitempty"`
}

// Cloud lists the APIs that may be asked, in the order that breaks ties. Disabled
// is the switch of this device: then none is, whatever a policy says.
type Cloud struct {
	Disabled bool     `json:"disabled"`
	Targets  []Target `json:"targets"`
}

// Target is one cloud API.
type Target struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"` // openai, http
	BaseURL  string            `json:"base_url"`
	Key      secret.Key        `json:"key,omitzero"`
	Models   map[string]string `json:"models,omitempty"` // by service; of kind openai
	Services Offer             `json:"services"`
	Price    *Price            `json:"price,omitempty"`
	Context  int               `json:"context,omitempty"` // tokens; 0 is not known
	Weight   int               `json:"weight,omitempty"`  // its share of the turns where policy balances by weight; 0 is 1

	// Of kind http: the header the key goes into, as a bearer token when that is
	// absent, and headers that go with every call.
	KeyHeader string            `json:"key_header,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// Price is in USD per million tokens.
type Price struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

// Caller is someone who may ask, known by user id or by token.
type Caller struct {
	Name     string     `json:"name"`
	UID      *int       `json:"uid,omitempty"`
	Token    secret.Key `json:"token,omitzero"`
	Services []string   `json:"services,omitempty"` // control among them; nil is all
	Rate     *Rate      `json:"rate,omitempty"`
	Share    *float64   `json:"share,omitempty"` // of [Listen] Asks that it may have in flight; nil is all
}

// Rate is how often a caller may ask.
type Rate struct {
	PerMinute int `json:"per_minute"`
	Burst     int `json:"burst,omitempty"` // at once; 0 is PerMinute
}

// Cache says how long and how much is kept.
type Cache struct {
	Fresh    time.Duration `json:"fresh"`
	Stale    time.Duration `json:"stale"`
	MaxBytes Bytes         `json:"max_bytes"`
}

// Learn says what is found out about answers after they were given.
type Learn struct {
	Disabled   bool    `json:"disabled"`    // nothing is: no verdict is kept
	AuditPct   float64 `json:"audit_pct"`   // percent of the local answers taken as good that the cloud is asked again, when that costs nothing; 0 is none
	AuditCalls int     `json:"audit_calls"` // a day, at most
	AuditUSD   float64 `json:"audit_usd"`   // a day, at most
}

// Log says what is logged, and how.
type Log struct {
	Level  string `json:"level"`  // debug, info, warn, error
	Format string `json:"format"` // text, json
}
