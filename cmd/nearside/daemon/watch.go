package daemon

import (
	"context"
	"encoding/json"
	"time"

	"nearside/agent/server/control"
	"nearside/cmd/nearside/changes"
)

// lookEvery is how often the status is looked at without a reason: some things
// change by time alone, such as a breaker that is to be tried again, and one
// who asks once is to be told of conditions that have lasted.
const lookEvery = 2 * time.Second

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
		d.helm.Network(d.cloud.Network())
		is := d.look()
		d.helm.Seen(&is.Status)
		for _, e := range changes.Between(&was, &is) {
			if data, err := json.Marshal(e.Data); err == nil {
				d.Watch.Events.Publish(e.Kind, data)
			}
		}
		was = is
	}
}

func (d *daemon) look() changes.Look {
	return changes.Look{Status: d.status(), Degraded: d.observer.degraded(time.Now())}
}

// touch has the status looked at soon. It never waits.
func (d *daemon) touch() {
	select {
	case d.touched <- struct{}{}:
	default: // it will be
	}
}

// history is where decisions are read back. It waits for the store, so that a
// daemon that has just started does not seem to have none.
func (d *daemon) history() control.History {
	if s := d.store.Wait(context.Background()); s != nil {
		return s
	}
	return nil
}
