package daemon

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"nearside/agent/server"
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

// lookEvery is how often the status is looked at without a reason: some things
// change by time alone, such as a breaker that is to be tried again, and one
// who asks once is to be told of conditions that have lasted.
const lookEvery = 2 * time.Second

// seen is the status as it was looked at.
type seen struct {
	server.Status
	degraded string // reason of the latest degraded answer, "" when that was long ago
}

// watch publishes what changes in the status, until ctx ends. Whoever changes
// something calls touch; the status alone says what it was.
func (d *daemon) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	was := d.look()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.touched:
		case <-tick.C:
		}
		is := d.look()
		for _, e := range changes(&was, &is) {
			if data, err := json.Marshal(e.data); err == nil {
				d.Watch.Events.Publish(e.kind, data)
			}
		}
		was = is
	}
}

func (d *daemon) look() seen { return seen{d.status(), d.observer.degraded(time.Now())} }

// touch has the status looked at soon. It never waits.
func (d *daemon) touch() {
	select {
	case d.touched <- struct{}{}:
	default: // it will be
	}
}

// event is one change.
type event struct {
	kind string
	data any
}

// changes is what differs between two looks at the status.
func changes(was, is *seen) []event {
	var all []event
	add := func(kind string, data any) { all = append(all, event{kind, data}) }
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
	if was.degraded != is.degraded {
		add(kindDegraded, map[string]any{"degraded": is.degraded != "", "reason": filled(is.degraded)})
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
	server.Condition
}

func healthChanges(was, is []server.Condition) []event {
	var all []event
	for _, c := range is {
		if !slices.Contains(was, c) {
			all = append(all, event{kindHealth, healthEvent{true, c}})
		}
	}
	for _, c := range was {
		if !slices.Contains(is, c) {
			all = append(all, event{kindHealth, healthEvent{false, c}})
		}
	}
	return all
}

func named(list []server.TargetStatus, name string) *server.TargetStatus {
	i := slices.IndexFunc(list, func(t server.TargetStatus) bool { return t.Name == name })
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
