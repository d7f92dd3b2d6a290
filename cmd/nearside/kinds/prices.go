package kinds

import (
	"fmt"
	"maps"
	"slices"

	"nearside/agent/config"
	"nearside/agent/config/strict"
	"nearside/cloud/parcel"
	"nearside/policy"
)

const (
	maxTargets = 64
	maxPrice   = 1e6
)

// prices are by the names of cloud targets, in USD per million tokens.
type prices struct {
	Prices map[string]price `json:"prices"`
}

// price names both parts: one that was forgotten is not free.
type price struct {
	Input  *float64 `json:"input"`
	Output *float64 `json:"output"`
}

func (p *price) check(d *strict.Decoder, path string) {
	for _, part := range []struct {
		name string
		usd  *float64
	}{{"input", p.Input}, {"output", p.Output}} {
		switch {
		case part.usd == nil:
			d.Report(path, part.name+" is missing; a price has input and output, in USD per million tokens")
		case !(*part.usd >= 0 && *part.usd <= maxPrice):
			d.Report(path+"."+part.name, fmt.Sprintf("must be from 0 to %g USD per million tokens", float64(maxPrice)))
		}
	}
}

func readPrices(body string, files []parcel.File) (Document, error) {
	if err := noFiles("prices", files); err != nil {
		return nil, err
	}
	p := &prices{}
	d := strict.Decode("prices", []byte(body), p)
	if len(p.Prices) == 0 || len(p.Prices) > maxTargets {
		d.Report("prices", fmt.Sprintf("has %d targets: it must have 1 to %d, such as first: {input: 0.4, output: 1.6}", len(p.Prices), maxTargets))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Prices)) {
		one := p.Prices[name]
		one.check(d, "prices."+name)
	}
	return p, d.Err()
}

func (p *prices) Wishes() []parcel.Wish { return nil }

func (p *prices) Load(Reader) error { return nil }

func (p *prices) over(cfg *config.Config, _ *policy.Document) ([]string, error) {
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(p.Prices)) {
		t := target(cfg, name)
		if t == nil {
			continue // a fleet's devices do not all have the same
		}
		one := p.Prices[name]
		if n := one.put(t); n != "" {
			notes = append(notes, n)
		}
	}
	return notes, nil
}

// put gives a target another price, never one that lets more be spent under a
// limit set here: none below the target's own, and none where it has none, since
// then no limit lets it be asked.
func (p *price) put(t *config.Target) (note string) {
	own := t.Price
	if own == nil {
		return t.Name + ": the config gives it no price, so it is asked under no limit on costs; give it one there, 0 will do, for signed ones to hold"
	}
	next := config.Price{Input: max(own.Input, *p.Input), Output: max(own.Output, *p.Output)}
	t.Price = &next
	if *p.Input < own.Input || *p.Output < own.Output {
		return t.Name + ": a price below that of the config is not taken; the config's holds"
	}
	return ""
}

// target is the cloud target of that name, nil when there is none.
func target(cfg *config.Config, name string) *config.Target {
	for i := range cfg.Cloud.Targets {
		if cfg.Cloud.Targets[i].Name == name {
			return &cfg.Cloud.Targets[i]
		}
	}
	return nil
}
