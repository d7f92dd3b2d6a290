package policy

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Values of Ask.Mode and Ask.Privacy.
const (
	Auto    = "auto"
	Local   = "local"
	Cloud   = "cloud"
	Normal  = "normal"
	Private = "private"
)

// Ask is what a decision needs to know of one request. It holds no text.
type Ask struct {
	Caller     string   `json:"caller"` // who asks, by the name the config gives
	Service    string   `json:"service"`
	Model      string   `json:"model_asked"`
	Target     string   `json:"target_asked,omitempty"` // local/NAME or cloud/NAME when the caller named one
	Mode       string   `json:"mode"`                   // auto, local, cloud
	Task       string   `json:"task"`                   // class of the question, such as chat, code, math
	Intent     string   `json:"intent,omitempty"`       // what the gate takes it for; "" is not known
	Scope      *float64 `json:"p_in_scope,omitempty"`   // by the gate: the chance, 0 to 1, that it is in scope and Intent is right
	Privacy    string   `json:"privacy"`                // normal, private
	DeadlineMS int64    `json:"deadline_ms"`
	MaxCost    *float64 `json:"max_cost_usd,omitempty"`
	Size       Size     `json:"size"`
	Needs      Needs    `json:"needs"`
	Stream     bool     `json:"stream"`
	Repeatable bool     `json:"repeatable"`        // the same ask gives the same answer: temperature 0
	Default    bool     `json:"default,omitempty"` // the service has a reply for when nothing answers
	Cache      Caching  `json:"cache_control"`

	Expected []Estimate `json:"expected,omitempty"` // what is known of its targets for this very ask; at most one each
}

// Estimate is how well a target is expected to answer one ask, by what was
// measured of it. It outranks the document's table of qualities.
type Estimate struct {
	Target    string   `json:"target"`
	Good      float64  `json:"good"`                // chance of a good answer, 0 to 1, before it runs
	Gain      *float64 `json:"gain,omitempty"`      // of a local target: what the chance gains when the cloud is asked instead, -1 to 1
	Threshold *float64 `json:"threshold,omitempty"` // confidence its answer must reach; outranks check.confidence
	Samples   int      `json:"samples,omitempty"`   // it rests on
	From      string   `json:"from"`                // such as prior, measured, gate, conservative
}

// Estimate is the estimate of a target, nil when there is none.
func (a *Ask) Estimate(target string) *Estimate {
	for i := range a.Expected {
		if e := &a.Expected[i]; e.Target == target {
			return e
		}
	}
	return nil
}

// Size estimates how large the ask and its answer are.
type Size struct {
	Bytes     int `json:"bytes"`
	TokensEst int `json:"tokens_est"`     // of the prompt
	TokensOut int `json:"tokens_out_est"` // of the answer, at most
}

// perToken is about how many bytes a token of an answer takes on the wire.
const perToken = 6

// Kilobytes is about how much goes over the wire, both ways.
func (s Size) Kilobytes() float64 { return float64(s.Bytes+perToken*s.TokensOut) / 1000 }

// Needs are abilities a target must have.
type Needs struct {
	Tools  bool `json:"tools"`
	Schema bool `json:"schema"`
	Vision bool `json:"vision"`
}

// Caching is what the caller said in Cache-Control.
type Caching struct {
	NoStore      bool   `json:"no_store,omitempty"`
	NoCache      bool   `json:"no_cache,omitempty"`
	OnlyIfCached bool   `json:"only_if_cached,omitempty"`
	MaxAgeS      *int64 `json:"max_age_s,omitempty"`
	MaxStaleS    *int64 `json:"max_stale_s,omitempty"` // 0 forbids stale
}

// Signals is everything besides the ask and the document that a decision may
// depend on, at one moment.
type Signals struct {
	Time    time.Time `json:"time"`
	Network string    `json:"network"` // unknown, online, metered, portal, degraded, offline
	Device  Device    `json:"device"`
	Held    []string  `json:"held,omitempty"` // rules with an until that are in force, see policy.Hold
	Turn    uint64    `json:"turn,omitempty"` // number of the ask among those of its service that a pool may answer, for pools that take turns
	Targets []Target  `json:"targets"`        // in the order of the config

	HeldSince map[string]time.Time `json:"held_since,omitempty"` // when rules with a dwell last came into force or ended
}

// Lost tells whether no target beyond the device and its own links can be
// reached.
func (s *Signals) Lost() bool { return s.Network == "offline" || s.Network == "portal" }

// Metered tells whether bytes cost money.
func (s *Signals) Metered() bool {
	return s.Network == "metered" || s.Device.Metered != nil && *s.Device.Metered
}

// Target is one thing that can answer, and its rolling figures. A nil figure
// is not known yet; it is neither zero nor good.
type Target struct {
	Name      string   `json:"name"` // local/NAME or cloud/NAME
	Services  []string `json:"services"`
	Near      bool     `json:"near"`               // on this device or link: judged by its own calls, not by the network
	Usable    bool     `json:"usable"`             // false: it cannot be asked now
	Why       string   `json:"why,omitempty"`      // why it is not usable
	PauseMS   int64    `json:"pause_ms,omitempty"` // it asked for fewer calls, and may be asked again after so long
	P50MS     *float64 `json:"p50_ms"`
	P95MS     *float64 `json:"p95_ms"`
	ErrorRate *float64 `json:"error_rate"` // 0 to 1
	InFlight  int      `json:"in_flight"`
	Context   int      `json:"context,omitempty"` // tokens it can take; 0 is not known
	Blind     bool     `json:"blind,omitempty"`   // takes text only
	Light     bool     `json:"light,omitempty"`   // of a local one: it costs the device next to nothing
	Price     *Price   `json:"price,omitempty"`
	Weight    int      `json:"weight,omitempty"` // its share of the turns where a pool is balanced by weight; 0 is 1

	BytesPerToken *float64 `json:"bytes_per_token,omitempty"` // as learned from its replies; nil counts four
}

// Tokens is how many of its own tokens a text has that was estimated at four
// bytes a token.
func (t *Target) Tokens(est int) int {
	if t.BytesPerToken == nil || !(*t.BytesPerToken >= 1) {
		return est
	}
	return int(math.Ceil(float64(est) * 4 / *t.BytesPerToken))
}

// Price is in USD per million tokens.
type Price struct {
	Input  float64 `json:"input"`
	Output float64 `json:"output"`
}

// Cost is the most the ask can cost, in USD.
func (p Price) Cost(s Size) float64 {
	return (p.Input*float64(s.TokensEst) + p.Output*float64(s.TokensOut)) / 1e6
}

// Serves tells whether the target can answer asks of the service.
func (t *Target) Serves(service string) bool { return slices.Contains(t.Services, service) }

// Local tells whether the target runs on the device.
func (t *Target) Local() bool { return strings.HasPrefix(t.Name, "local/") }
