package kinds

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"nearside/agent/config"
	"nearside/agent/config/strict"
	"nearside/cloud/parcel"
	"nearside/policy"
)

// targets are changes to cloud targets.
type targets struct {
	Targets []change `json:"targets"`
}

// change is of a target that is there, or, with a base_url, one that is added.
type change struct {
	Name     string            `json:"name"`
	Disabled bool              `json:"disabled"`
	Weight   *int              `json:"weight"`
	Models   map[string]string `json:"models"`
	Price    *price            `json:"price"`

	// Of one that is added. KeyOf names the target of the config whose key it
	// uses, which must be at the same host; absent, it is asked without one.
	BaseURL string `json:"base_url"`
	KeyOf   string `json:"key_of"`
	Context int    `json:"context"`
}

func readTargets(body string, files []parcel.File) (Document, error) {
	if err := noFiles("targets", files); err != nil {
		return nil, err
	}
	t := &targets{}
	d := strict.Decode("targets", []byte(body), t)
	if len(t.Targets) == 0 || len(t.Targets) > maxTargets {
		d.Report("targets", fmt.Sprintf("has %d: it must have 1 to %d", len(t.Targets), maxTargets))
		return nil, d.Err()
	}
	for i := range t.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		t.Targets[i].check(d, path)
		same := func(o change) bool { return strings.EqualFold(o.Name, t.Targets[i].Name) }
		if slices.ContainsFunc(t.Targets[:i], same) {
			d.Report(path+".name", "is there twice")
		}
	}
	return t, d.Err()
}

func (c *change) check(d *strict.Decoder, path string) {
	if c.Price != nil {
		c.Price.check(d, path+".price")
	}
	if c.Weight != nil && (*c.Weight < 1 || *c.Weight > 100) {
		d.Report(path+".weight", "must be from 1 to 100")
	}
	if c.BaseURL != "" {
		c.checkAdded(d, path)
		return
	}
	if c.KeyOf != "" || c.Context != 0 {
		d.Report(path, "has key_of or context, which only a target with a base_url has: no other leads where the config does not")
	}
	if c.Name == "" {
		d.Report(path+".name", "is missing")
	}
	if !c.Disabled && c.Weight == nil && c.Models == nil && c.Price == nil {
		d.Report(path, "changes nothing; it must have one of disabled, weight, models, price, or a base_url")
	}
	for service, model := range c.Models {
		if service == "" || model == "" || len(model) > 256 {
			d.Report(path+".models", "must be names of models by service, such as {chat: some-model}")
		}
	}
}

// checkAdded holds a target that is added to the rules of the config, and to
// more: it leads to the net by https, and says what it costs.
func (c *change) checkAdded(d *strict.Decoder, path string) {
	alone := config.Config{Cloud: config.Cloud{Targets: []config.Target{c.made()}}}
	for _, p := range alone.Validate() {
		if below, ok := strings.CutPrefix(p.Path, "cloud.targets[0]"); ok {
			d.Report(path+below, p.Message)
		}
	}
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Scheme != "https":
		d.Report(path+".base_url", "must begin with https://")
	case near(u.Hostname()):
		d.Report(path+".base_url", "must lead to the net, not to this device or an address of a private network")
	}
	if c.Price == nil {
		d.Report(path+".price", "is missing; a target that is added says what it costs")
	}
	if c.Disabled {
		d.Report(path+".disabled", "is for targets that are there; leave this one out")
	}
}

// near tells whether a host is this device or one beside it.
func near(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	a, err := netip.ParseAddr(host)
	if err != nil {
		return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal")
	}
	a = a.Unmap()
	return !a.IsGlobalUnicast() || a.IsPrivate()
}

// made is the target that a change adds, without a key.
func (c *change) made() config.Target {
	t := config.Target{Name: c.Name, Kind: "openai", BaseURL: c.BaseURL, Models: c.Models, Context: c.Context}
	for service := range c.Models {
		t.Services.Names = append(t.Services.Names, service)
	}
	slices.Sort(t.Services.Names)
	if c.Weight != nil {
		t.Weight = *c.Weight
	}
	if p := c.Price; p != nil && p.Input != nil && p.Output != nil {
		t.Price = &config.Price{Input: *p.Input, Output: *p.Output}
	}
	return t
}

func (t *targets) Wishes() []parcel.Wish { return nil }

func (t *targets) Load(Reader) error { return nil }

func (t *targets) over(cfg *config.Config, own *policy.Document) ([]string, error) {
	var notes []string
	given := slices.Clone(cfg.Cloud.Targets)
	byHand := &config.Config{Cloud: config.Cloud{Targets: given}}
	for i := range t.Targets {
		c := &t.Targets[i]
		note, err := c.put(cfg, byHand, own)
		if err != nil {
			return notes, fmt.Errorf("targets[%d]: %w", i, err)
		}
		if note != "" {
			notes = append(notes, c.Name+": "+note)
		}
	}
	return notes, nil
}

// put makes one change. byHand is the config as it was given.
func (c *change) put(cfg, byHand *config.Config, own *policy.Document) (note string, err error) {
	if c.BaseURL != "" {
		return c.add(cfg, byHand, own)
	}
	t := target(cfg, c.Name)
	switch {
	case t == nil:
		return "", nil // a fleet's devices do not all have the same
	case c.Disabled:
		cfg.Cloud.Targets = slices.DeleteFunc(cfg.Cloud.Targets, func(o config.Target) bool { return o.Name == c.Name })
		return "switched off", nil
	case c.Models != nil && t.Kind != "openai":
		return "", fmt.Errorf("models: %s is of kind %s, which has none", c.Name, t.Kind)
	case c.Models != nil && t.Price != nil && c.Price == nil:
		return "", fmt.Errorf("price is missing: the price of %s in this device's config was that of other models", c.Name)
	}
	c.change(t)
	if c.Price != nil {
		note = c.Price.put(t)
	}
	return note, nil
}

// change alters weight and models of a target. Services that had a model keep
// one: what is not named stays.
func (c *change) change(t *config.Target) {
	if c.Weight != nil {
		t.Weight = *c.Weight
	}
	if c.Models == nil {
		return
	}
	models := map[string]string{}
	for service, model := range t.Models {
		models[service] = model
		if m, ok := c.Models[service]; ok {
			models[service] = m
		}
	}
	t.Models = models
}

// add puts another target behind the others.
func (c *change) add(cfg, byHand *config.Config, own *policy.Document) (note string, err error) {
	t := c.made()
	switch {
	case slices.ContainsFunc(byHand.Cloud.Targets, func(o config.Target) bool { return strings.EqualFold(o.Name, c.Name) }):
		return "", fmt.Errorf("base_url: %s is a target of this device's config, and leads where that says", c.Name)
	case namesCloud(own):
		return "not added: this device's own policy denies cloud targets by name, and this one has another", nil
	case c.KeyOf == "":
		cfg.Cloud.Targets = append(cfg.Cloud.Targets, t)
		return "added", nil
	}
	from := target(byHand, c.KeyOf)
	switch {
	case from == nil:
		return "not added: there is no target " + c.KeyOf + " here", nil
	case !sameHost(from.BaseURL, c.BaseURL):
		return "", fmt.Errorf("key_of: a key of %s goes to its own host and to no other", c.KeyOf)
	case from.Price == nil || t.Price.Input < from.Price.Input || t.Price.Output < from.Price.Output:
		return "", fmt.Errorf("price: must be at least that of %s in this device's config, which must have one: the same key pays for both", c.KeyOf)
	}
	t.Key = from.Key
	cfg.Cloud.Targets = append(cfg.Cloud.Targets, t)
	return "added", nil
}

// namesCloud tells whether a policy denies single cloud targets by their names,
// so that another name would slip past it.
func namesCloud(own *policy.Document) bool {
	if own == nil {
		return false
	}
	return slices.ContainsFunc(own.Rules, func(r policy.Rule) bool {
		return slices.ContainsFunc(r.Then.Deny, func(name string) bool { return strings.HasPrefix(name, policy.Cloud+"/") })
	})
}

// sameHost tells whether both lead by https to the same host and port.
func sameHost(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && x.Scheme == "https" && y.Scheme == "https" && authority(x) == authority(y)
}

func authority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}
