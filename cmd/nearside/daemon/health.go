package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nearside/agent/server/status"
	"nearside/cloud/network"
	"nearside/cmd/nearside/late"
	"nearside/local"
	"nearside/store"
	"nearside/store/file"
)

// conditions is what an operator should know, as it is found.
type conditions []status.Condition

func (c *conditions) add(name, severity, message, hint string) {
	*c = append(*c, status.Condition{Name: name, Severity: severity, Message: message, Hint: hint})
}

// addNoModel tells that there is no local model; a gate answers without one.
func (c *conditions) addNoModel(gated bool) {
	what := "nothing is answered on the device"
	if gated {
		what = "nothing but intents is answered on the device"
	}
	c.add("no_local_model", "warn", "there is no local model, so "+what, "run make setup, or list one under local.models")
}

// health lists what an operator should know.
func (d *daemon) health(locals []local.Status, s *status.Status) []status.Condition {
	list := conditions{}
	now := d.inForce.Load()
	if e := now.config.Local; len(locals) > 0 && !e.Engine.Sandbox && e.Engine.URL == "" {
		list.add("sandbox", "info", "engines are not closed in, as local.engine.sandbox says", "remove that setting")
	}
	if len(locals) == 0 && !now.config.Local.Disabled {
		list.addNoModel(d.gate.Held().Gate != nil)
	}
	for _, t := range locals {
		list.addEngine(t)
		list.addSandbox(t)
	}
	list.addGate(d.gate.Held())
	if c := now.config.Cloud; c.Disabled && len(c.Targets) > 0 {
		list.add("cloud_disabled", "info", "the cloud is switched off: no cloud target is asked, whatever a policy says", "remove cloud.disabled from the config when it is wanted")
	}
	far := false
	for _, t := range d.cloud.Status() {
		far = far || !t.Near
		if !t.Usable {
			list.add("target", "warn", t.Name+": "+t.Why, "others are asked meanwhile; it is tried again by itself. See: nearside doctor")
		}
	}
	if far {
		list.addNetwork(d.cloud.Network())
	}
	list.addLearning(s.Calibration)
	d.addStore(&list)
	if !s.Ready {
		list.add("not_ready", "fail", errNothingAnswers.Error(), "see why beside each target in: nearside status")
	}
	list.addConfig(now)
	if at := d.Now(); at.Before(d.Built) {
		list.add("clock", "fail", "the clock says "+at.UTC().Format(time.DateOnly)+", which is before this program was built: certificates are refused", "set the clock (timedatectl set-ntp true)")
	}
	list = append(list, d.helm.Conditions(d.cloud.Network().State == network.Offline)...)
	return d.lasting.shown(list, time.Now())
}

func (c *conditions) addConfig(now *inForce) {
	for _, w := range now.config.Warnings() {
		c.add("config", "warn", w.Message, w.Hint)
	}
	if now.fault != "" {
		c.add("config", "warn", "the config was not reloaded: "+now.fault, "correct it, then run: nearside config reload")
	}
	if len(now.restart) > 0 {
		c.add("restart", "info", "changed in the config and not in force: "+strings.Join(now.restart, ", "), "restart the daemon, or change them back")
	}
}

func (c *conditions) addEngine(t local.Status) {
	const verify = "check the model with: nearside model verify"
	switch {
	case !t.Usable && t.External:
		c.add("engine", "fail", t.Name+": "+t.Why, "start the server at local.engine.url, or correct it")
	case t.State == local.Quarantined:
		c.add("engine", "fail", t.Name+": "+t.Why, verify)
	case t.State == local.Short:
		c.add("engine", "warn", t.Name+": "+t.Why, "it is looked at again after half a minute")
	case !t.Usable:
		c.add("engine", "fail", t.Name+": "+t.Why, "run make setup, or correct local in the config; then start the daemon again")
	case t.State == local.Stopped && t.Why != "": // it crashed, and may again
		c.add("engine", "warn", t.Name+": "+t.Why, verify)
	}
}

func (d *daemon) addStore(list *conditions) {
	if why := d.store.Fault(); why != "" {
		list.add("store", "fail", "nothing is remembered beyond this run: "+why, "free space in "+d.Config.State+" or correct it, or choose another with --state DIR")
	}
	if why := store.Exposed(d.Config.State); why != "" {
		list.add("state_folder", "warn", why, late.ExposedHint)
	}
	if st := d.store.Now(); st != nil {
		if d.store.Fault() == "" && vanished(d.Config.State) {
			list.add("state_folder", "fail", "the state folder "+d.Config.State+" was removed: what is remembered ends with this run", "start the daemon again")
		}
		stats := st.Stats()
		list.addFile(filepath.Join(d.Config.State, "queue.db"), stats.Queue)
		list.addFile(filepath.Join(d.Config.State, "cache.db"), stats.Cache)
	}
}

func (c *conditions) addFile(path string, f file.Stats) {
	switch f.State {
	case file.StateFull:
		c.add("store_full", "warn", path+" has no room to grow: the oldest entries make way, or new ones are lost", "free space where the state folder is")
	case file.StateFailing:
		c.add("store_failing", "fail", path+" cannot be written: "+f.LastError, "check the disk, and owner and mode of the state folder")
	}
	if f.Aside != "" {
		moved := filepath.Join(filepath.Dir(path), f.Aside)
		c.add("store_quarantined", "warn", path+" was damaged and begun anew; what it was is "+moved, "look at it or remove it, and check the disk")
	}
}

// vanished tells that the folder of an open store is gone, or another is there.
func vanished(state string) bool {
	_, err := os.Stat(filepath.Join(state, "queue.db"))
	return state != "" && errors.Is(err, fs.ErrNotExist)
}
