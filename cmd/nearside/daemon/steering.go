package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/agent/task"
	"nearside/cloud"
	"nearside/cmd/nearside/judge"
	"nearside/local/sense"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/lint"
)

// Standing is what is in force, and how it came to be.
func (d *daemon) Standing() steering.Standing { return d.helm.Standing(d.agent.Policy(), d.held()) }

// Apply brings a document from outside.
func (d *daemon) Apply(ctx context.Context, envelope []byte) (steering.Applied, error) {
	return d.helm.Apply(ctx, envelope)
}

// Reset returns to the device's own policy.
func (d *daemon) Reset(ctx context.Context, forget bool) error { return d.helm.Reset(ctx, forget) }

// Basis is what a policy from outside is judged against now.
func (d *daemon) Basis() judge.Basis {
	now := d.inForce.Load()
	b := judge.Basis{
		Own: now.own.Doc, Present: d.agent.Policy().Doc, Switches: bind.Switches{CloudOff: now.config.Cloud.Disabled},
		Known: lint.Known{Targets: now.laid.TargetNames(), Tasks: task.Names()}, Signals: d.signals(),
	}
	if h := d.history(); h != nil {
		b.Recent = h
	}
	if r := now.config.Remote; r != nil {
		b.Limits = r.Limits
	}
	return b
}

// beside is told when a policy is judged, until done: it has all processors, and a
// heap that takes what it leaves behind.
func (d *daemon) beside() (done func()) {
	cores, room := d.gear.All(), d.pacer.Roomy()
	return func() { room(); cores() }
}

// Renew puts in force what the helm makes of the device's own policy after the
// change. Like a reload it is one at a time; requests go on with what they began
// with.
func (d *daemon) Renew(change func()) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	change()
	now := d.inForce.Load()
	d.agent.Swap(d.settings(now.laid, d.helm.InForce(now.own, now.config.Cloud.Disabled)))
	d.touch()
}

// given is what the device was given by hand.
func (d *daemon) given() (*config.Config, *policy.Document) {
	now := d.inForce.Load()
	return now.config, now.own.Doc
}

// lay puts in force what the documents from outside make of the config. Before
// keys were read the targets that need one are left alone: see [daemon.wake].
func (d *daemon) lay() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	now := *d.inForce.Load()
	now.laid = d.helm.Over(now.config, now.own.Doc)
	p := d.helm.InForce(now.own, now.config.Cloud.Disabled)
	d.inForce.Store(&now)
	keys := unread(now.laid.Cloud.Targets)
	if d.awake {
		keys = d.keys(context.Background(), now.laid.Cloud.Targets)
	}
	d.repool(now.laid, keys)
	d.install(now.laid, p)
	d.touch()
}

// unread are the keys of targets whose keys were not read yet.
func unread(targets []config.Target) map[string]cloud.Key {
	all := map[string]cloud.Key{}
	for _, t := range targets {
		if !t.Key.IsZero() {
			all["cloud/"+t.Name] = cloud.Key{Err: errors.New("it is being read")}
		}
	}
	return all
}

func (d *daemon) own() *agent.Policy { return d.inForce.Load().own }

// Look is the status now.
func (d *daemon) Look() status.Status { return d.status() }

// Told is told of what happened to what steers the device.
func (d *daemon) Told(kind string, data any) {
	if text, err := json.Marshal(data); err == nil {
		d.Watch.Events.Publish(kind, text)
	}
}

// lowBattery is the charge, in percent, below which wake-ups are spared.
const lowBattery = 20

// Frugal tells whether bytes or wake-ups cost more than usual now.
func (d *daemon) Frugal() bool {
	if m := d.cloud.Network().Metered; m != nil && *m {
		return true
	}
	known, _ := d.senses.latest.At(time.Now())
	charging, plugged := known[sense.Charging].Value.(bool)
	charge, battery := known[sense.Battery].Value.(float64)
	return battery && charge < lowBattery && !(plugged && charging)
}
