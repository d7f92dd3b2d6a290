package daemon

import (
	"context"
	"errors"
	"os"
	"sync"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/schema"
	"nearside/agent/server"
	"nearside/agent/server/control"
	"nearside/cloud"
	"nearside/cmd/nearside/entrance"
	"nearside/cmd/nearside/helm"
	"nearside/local/intent"
)

// Load reads the config that serves this daemon and the policy it names, flags
// put over it, all checked.
type Load func() (*config.Config, *agent.Policy, error)

// inForce is what the latest reload left. It never changes; another takes its
// place.
type inForce struct {
	config  *config.Config
	laid    *config.Config // with documents from outside laid over it
	own     *agent.Policy  // of the config; one from outside is bound by it
	fault   string         // why the latest reload was refused, "" when it was not
	restart []string       // settings of the file that wait for a restart
}

// errEmptied keeps a config that is being written, or was cut short, from letting
// everybody in.
var errEmptied = errors.New("the config file is empty, and was not: it may be half written; for the built-in defaults put a comment into it")

// heed reads the keys of the cloud targets, then reloads at every hangup until
// ctx ends.
func (d *daemon) heed(ctx context.Context, hangup <-chan os.Signal) error {
	d.wake(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			_, _ = d.reload(ctx) // it logs what came of it
		}
	}
}

// wake reads the keys of the cloud targets, and has the pool know of those that
// came from outside: at the start nobody waited for either.
func (d *daemon) wake(ctx context.Context) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.awake = true
	if now := d.inForce.Load(); now.laid != now.config {
		d.repool(now.laid, d.keys(ctx, now.laid.Cloud.Targets))
		return
	}
	targets := d.inForce.Load().config.Cloud.Targets
	d.readKeys(ctx, targets, func(name string, k cloud.Key) { d.cloud.SetKey(name, k.Secret, k.Err) })
}

// reload reads config and policy again. When they are good they take the place
// of those in force; what runs goes on, each request with what it began with.
// When they are not, nothing changes.
func (d *daemon) reload(ctx context.Context) (*control.Reloaded, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.herald.Reloading()
	defer d.herald.Ready()
	defer d.gear.All()()
	defer d.touch()
	was := d.inForce.Load()
	fresh, own, err := d.Load()
	if err != nil {
		return nil, d.notReloaded(was, err)
	}
	if fresh.Empty && !was.config.Empty {
		return nil, d.notReloaded(was, errEmptied)
	}
	next := swapped(was.config, fresh)
	if err := d.entrance.Again(context.WithoutCancel(ctx), next); err != nil {
		return nil, d.notReloaded(was, err)
	}
	if err := helm.Check(next); err != nil {
		return nil, d.notReloaded(was, err)
	}
	laid := d.helm.Over(next, own.Doc)
	keys := d.keys(context.WithoutCancel(ctx), laid.Cloud.Targets) // whoever asked for it may leave
	p := d.helm.InForce(own, next.Cloud.Disabled)
	r := &control.Reloaded{
		Changed: append([]string{}, config.Differences(was.config, next)...),
		Restart: append([]string{}, config.Differences(next, fresh)...),
		Before:  d.agent.Policy().String(), After: p.String(), Warnings: warnings(laid, keys),
	}
	if was.own.String() != own.String() && was.config.Policy == next.Policy {
		r.Changed = append(r.Changed, "policy")
	}
	if next.Log.Level != was.config.Log.Level { // else the one that was set by hand stays
		_ = d.Watch.Level.UnmarshalText([]byte(next.Log.Level)) // checked with the config
	}
	r.Targets = append([]string{}, d.apply(laid, p, keys)...)
	d.inForce.Store(&inForce{config: next, laid: laid, own: own, restart: r.Restart})
	d.helm.Reload(next)
	d.Log.Info("config reloaded", "changed", r.Changed, "targets", r.Targets, "needs_restart", r.Restart, "policy", r.After, "was", r.Before)
	return r, nil
}

// notReloaded leaves in force what was, and says why.
func (d *daemon) notReloaded(was *inForce, err error) error {
	d.inForce.Store(&inForce{config: was.config, laid: was.laid, own: was.own, fault: err.Error(), restart: was.restart})
	d.Log.Error("config not reloaded: what was in force stays", "err", err)
	return err
}

// warnings are what an operator should know of a config that works.
func warnings(cfg *config.Config, keys map[string]cloud.Key) []string {
	list := []string{}
	for _, w := range cfg.Warnings() {
		list = append(list, w.Message+"; "+w.Hint)
	}
	for _, t := range cfg.Cloud.Targets {
		if err := keys["cloud/"+t.Name].Err; err != nil {
			list = append(list, "cloud/"+t.Name+" is not used: its key cannot be had: "+err.Error())
		}
	}
	return list
}

// swapped is the config in force after a reload: of the fresh one all that can
// change while the daemon runs, of the old one the rest.
func swapped(old, fresh *config.Config) *config.Config {
	next := *old
	next.Empty = fresh.Empty
	next.Listen.Hosts, next.Listen.Origins = fresh.Listen.Hosts, fresh.Listen.Origins
	next.Listen.Token, next.Listen.Asks = fresh.Listen.Token, fresh.Listen.Asks
	next.Callers, next.Strangers = fresh.Callers, fresh.Strangers
	next.Cache.Fresh, next.Cache.Stale = fresh.Cache.Fresh, fresh.Cache.Stale
	next.Cloud, next.Services, next.Policy, next.Learn = fresh.Cloud, fresh.Services, fresh.Policy, fresh.Learn
	next.Local.Gate, next.Log.Level, next.Remote = fresh.Local.Gate, fresh.Log.Level, fresh.Remote
	if len(next.Validate()) > 0 { // the address is still the old one, and what makes that safe stays with it
		next.Listen.Token, next.Listen.Hosts = old.Listen.Token, old.Listen.Hosts
	}
	return &next
}

// apply puts a config in force and returns the names of the targets that it
// touched. Nothing in it can fail: what can is done before.
func (d *daemon) apply(cfg *config.Config, p *agent.Policy, keys map[string]cloud.Key) []string {
	touched := d.repool(cfg, keys)
	d.install(cfg, p)
	return touched
}

// repool puts the targets of a config into the pool. When the cloud is switched
// off, asks that were planned before do not find theirs either.
func (d *daemon) repool(cfg *config.Config, keys map[string]cloud.Key) []string {
	touched := d.cloud.Reload(asked(cfg), keys)
	if cfg.Cloud.Disabled {
		d.cloud.Forget()
	}
	return touched
}

// install is apply for all but the pool.
func (d *daemon) install(cfg *config.Config, p *agent.Policy) {
	d.holdGate(cfg)
	d.agent.Swap(d.settings(cfg, p))
	d.learner.Swap(learnSettings(cfg))
	d.face.Open(doors(cfg))
	d.meter.SetCallers(entrance.Names(cfg))
	d.store.KeepAnswers(cfg.Cache.Stale)
}

func (d *daemon) settings(cfg *config.Config, p *agent.Policy) agent.Settings {
	return agent.Settings{
		Policy: p, Keep: agent.Keep{Fresh: cfg.Cache.Fresh, Stale: cfg.Cache.Stale},
		Salt: d.local.Salt() + cloudSalt(cfg.Cloud.Targets), Services: services(cfg), Gate: &d.gate,
	}
}

// services is what is set for JSON APIs. The config is valid, and so are its
// schemas.
func services(cfg *config.Config) map[string]agent.Service {
	all := map[string]agent.Service{}
	for name, c := range cfg.Services {
		s := agent.Service{Keep: &agent.Keep{Fresh: c.Fresh, Stale: cfg.Cache.Stale}}
		if c.Stale != nil {
			s.Keep.Stale = *c.Stale
		}
		if !c.Default.IsZero() {
			s.Default = []byte(c.Default.Text)
		}
		s.Request, s.Reply = check(c.RequestSchema), check(c.ReplySchema)
		all[name] = s
	}
	if s := all[intent.Service]; cfg.Local.Gate != nil && s.Request == nil {
		s.Request = intent.Check
		all[intent.Service] = s
	}
	return all
}

// check is what a schema holds bodies to, nil when there is none.
func check(d config.Doc) func([]byte) error {
	if s, err := schema.Compile([]byte(d.Text)); err == nil && !d.IsZero() {
		return s.Check
	}
	return nil
}

func doors(cfg *config.Config) server.Doors {
	return server.Doors{Hosts: cfg.Listen.Hosts, Origins: cfg.Listen.Origins}
}

// keys are the keys of the targets, by the pool's names.
func (d *daemon) keys(ctx context.Context, targets []config.Target) map[string]cloud.Key {
	var mu sync.Mutex // guards all
	all := map[string]cloud.Key{}
	d.readKeys(ctx, targets, func(name string, k cloud.Key) {
		mu.Lock()
		defer mu.Unlock()
		all[name] = k
	})
	return all
}

// readKeys gets the key of every cloud target that has one, each by itself,
// since a command may take its time, and hands it to got, from any goroutine.
// One that cannot be had leaves its target unused, and the rest works.
func (d *daemon) readKeys(ctx context.Context, targets []config.Target, got func(name string, k cloud.Key)) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, t := range targets {
		if t.Key.IsZero() {
			continue
		}
		all.Go(func() {
			secret, err := t.Key.Resolve(ctx)
			if err != nil {
				d.Log.Warn("key cannot be had", "target", t.Name, "err", err)
			}
			got("cloud/"+t.Name, cloud.Key{Secret: secret, Err: err})
		})
	}
}
