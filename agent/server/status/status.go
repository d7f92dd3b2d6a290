// Package status has the forms in which the daemon says how it is: GET
// /v1/status, for people, programs and metrics. It knows none of what they
// speak of.
package status

import (
	"nearside/agent/learn"
	"nearside/agent/server/callers"
	"nearside/agent/server/steering"
)

// Status is GET /v1/status. Nil is not known.
type Status struct {
	Version      string            `json:"version"`
	Commit       string            `json:"commit"`
	UptimeS      int64             `json:"uptime_s"`
	Ready        bool              `json:"ready"`
	Connectivity Connectivity      `json:"connectivity"`
	Policy       Policy            `json:"policy"`
	Remote       *steering.Link    `json:"remote"` // nil: remote policy is off
	Targets      []Target          `json:"targets"`
	Engine       Engine            `json:"engine"`
	Store        Store             `json:"store"`
	Calibration  learn.Report      `json:"calibration"`
	Signals      map[string]Signal `json:"signals"`
	Callers      []callers.Figures `json:"callers"` // filled by the server, as is Refused
	Refused      map[string]int64  `json:"refused"` // before they were looked at, by reason
	Health       []Condition       `json:"health"`
}

// Connectivity is what is known of the way out.
type Connectivity struct {
	State  string `json:"state"`
	SinceS int64  `json:"since_s"`
	Source string `json:"source"`
}

// Policy is the policy in force.
type Policy struct {
	Version int      `json:"version"`
	Digest  string   `json:"digest"`
	Source  string   `json:"source"`
	State   string   `json:"state"`
	Held    []string `json:"held"` // rules with an until that are in force
}

// Target is one target and what its latest calls were like.
type Target struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Services  []string `json:"services"`
	Usable    bool     `json:"usable"`
	Why       *string  `json:"why"`
	Breaker   *string  `json:"breaker"`
	LatencyMS Latency  `json:"latency_ms"`
	ErrorRate *float64 `json:"error_rate"`
	InFlight  int      `json:"in_flight"`
	Calls     int64    `json:"calls"`

	BytesPerToken *float64 `json:"bytes_per_token"` // of prompts, from what its replies say
}

// Latency is of good calls, in milliseconds.
type Latency struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
}

// Engine is the local engine's life.
type Engine struct {
	State string  `json:"state"`
	Model *string `json:"model"`
	PID   *int    `json:"pid"`
	Why   *string `json:"why"`

	Starts  int `json:"starts"`  // processes started
	Crashes int `json:"crashes"` // of them, those that ended by themselves
}

// Store says how full the store is.
type Store struct {
	Queue File `json:"queue"`
	Cache File `json:"cache"`
}

// File is one file of the store.
type File struct {
	Rows    int64  `json:"rows"`
	Bytes   int64  `json:"bytes"`
	Quota   int64  `json:"quota"`
	State   string `json:"state"`
	Dropped uint64 `json:"dropped"`
}

// Signal is one thing sensed of the device.
type Signal struct {
	Value  any     `json:"value"`
	Unit   string  `json:"unit"`
	AgeS   *int64  `json:"age_s"`
	Source *string `json:"source"`
	TTLS   *int64  `json:"ttl_s,omitempty"` // of what the host app said: how long it still counts
}

// Condition is one thing about the daemon's health.
type Condition struct {
	Name     string `json:"name"`
	Severity string `json:"severity"` // info, warn, fail
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}
