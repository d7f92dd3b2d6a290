// Package changes tells what differs between two looks at the daemon's status, as
// events for those who watch it. Whoever changed something need not say what: the
// status alone does.
package changes

import (
	"reflect"
	"slices"

	"nearside/agent/server/status"
)

// Kinds of events.
const (
	kindConnectivity = "connectivity"
	kindPolicy       = "policy"
	kindTarget       = "target"
	kindEngine       = "engine"
	kindHealth       = "health"
	kindDegraded     = "degraded"
)

// Look is the status as it was looked at.
type Look struct {
	status.Status
	Degraded string // reason of the latest degraded answer, "" when that was long ago
}

// Event is one change: of what kind, and what there is now, for JSON.
type Event struct {
	Kind string
	Data any
}

// Between is what differs between two looks, in a fixed order of kinds.
func Between(was, is *Look) []Event {
	var all []Event
	add := func(kind string, data any) { all = append(all, Event{kind, data}) }
	if was.Connectivity.State != is.Connectivity.State {
		add(kindConnectivity, map[string]string{"state": is.Connectivity.State, "was": was.Connectivity.State, "source": is.Connectivity.Source})
	}
	if !reflect.DeepEqual(was.Policy, is.Policy) {
		add(kindPolicy, is.Policy)
	}
	for _, t := range is.Targets {
		if old := named(was.Targets, t.Name); old == nil || old.Usable != t.Usable || word(old.Breaker) != word(t.Breaker) {
			add(kindTarget, targetEvent{t.Name, t.Usable, t.Why, t.Breaker})
		}
	}
	if was.Engine.State != is.Engine.State || was.Engine.Starts != is.Engine.Starts {
		add(kindEngine, is.Engine)
	}
	if was.Degraded != is.Degraded {
		var reason *string
		if is.Degraded != "" {
			reason = &is.Degraded
		}
		add(kindDegraded, map[string]any{"degraded": is.Degraded != "", "reason": reason})
	}
	return append(all, healthChanges(was.Health, is.Health)...)
}

type targetEvent struct {
	Name    string  `json:"name"`
	Usable  bool    `json:"usable"`
	Why     *string `json:"why"`
	Breaker *string `json:"breaker"`
}

// healthEvent is a condition that came or went.
type healthEvent struct {
	Raised bool `json:"raised"`
	status.Condition
}

func healthChanges(was, is []status.Condition) []Event {
	var all []Event
	for _, c := range is {
		if !slices.Contains(was, c) {
			all = append(all, Event{kindHealth, healthEvent{true, c}})
		}
	}
	for _, c := range was {
		if !slices.Contains(is, c) {
			all = append(all, Event{kindHealth, healthEvent{false, c}})
		}
	}
	return all
}

func named(list []status.Target, name string) *status.Target {
	i := slices.IndexFunc(list, func(t status.Target) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func word(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
