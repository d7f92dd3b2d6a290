package views

import (
	"time"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
)

// Summary is a rollout, for programs.
type Summary struct {
	ID      string         `json:"id"`
	Kind    string         `json:"kind"`
	Version int64          `json:"version"`
	Digest  string         `json:"digest"`
	State   string         `json:"state"`
	Stage   int            `json:"stage"` // from 1
	Stages  []stages.Stage `json:"stages"`
	Why     string         `json:"why,omitempty"`
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended,omitzero"`
	By      string         `json:"by"`
	Counts  stages.Counts  `json:"counts"`
}

// SummaryOf tells what a record is.
func SummaryOf(r *stages.Rollout) Summary {
	return Summary{r.ID, r.Kind, r.Version, r.Digest, r.State, r.Stage + 1, r.Stages, r.Why, r.Started, r.Ended, r.By, r.Counts}
}

// Rollouts are all of a fleet, the newest first.
func Rollouts(f *fleet.Fleet) []Summary {
	all := []Summary{}
	for _, r := range f.Rollouts() {
		all = append(all, SummaryOf(&r))
	}
	return all
}
