package daemon

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"nearside/agent/config"
	"nearside/agent/learn"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/cmd/nearside/tables"
	"nearside/local/sense"
	"nearside/local/weights"
	"nearside/policy/calib"
	"nearside/store"
)

// learnSettings are how the config has the daemon learn.
func learnSettings(cfg *config.Config) learn.Settings {
	c := cfg.Learn
	return learn.Settings{Off: c.Disabled, AuditShare: c.AuditPct / 100, AuditCalls: c.AuditCalls, AuditUSD: c.AuditUSD}
}

// learnParts are what the daemon's learner is made of.
func (d *daemon) learnParts() learn.Parts {
	return learn.Parts{
		Shelf: d.labelShelf, Facts: d.learnFacts, History: d.learnHistory, Models: d.identified, Prior: d.measuredBefore,
		Now: d.Now, Beside: d.gear.All, Changed: d.touch, Log: d.Log, Cloud: d.cloud, World: d.world, Random: rand.Float64,
	}
}

// world is what an audit must know now.
func (d *daemon) world() audit.World {
	known, _ := d.senses.latest.At(time.Now())
	link, _ := known[sense.NetworkKind].Value.(string)
	return audit.World{Doc: d.agent.Policy().Doc, Signals: d.signals(), Link: link}
}

// identified are the local targets whose models are: by the config, else by the
// checksum of the first load, which a server at a URL does not have.
func (d *daemon) identified(ctx context.Context) map[string]calib.Model {
	all := map[string]calib.Model{}
	cfg := d.Config.Local // what may change of it waits for a restart
	if cfg.Disabled {
		return all
	}
	for _, m := range cfg.Models {
		sum := strings.ToLower(m.SHA256)
		if s := d.store.Wait(ctx); sum == "" && s != nil && cfg.Engine.URL == "" {
			sum, _, _ = s.Fact(ctx, weights.ChecksumFact(m.Name)) // what cannot be read is not known yet
		}
		if sum != "" {
			all["local/"+m.Name] = calib.Model{Name: m.Name, SHA256: sum, Quant: weights.Quantisation(m.File)}
		}
	}
	return all
}

// measuredBefore is what was measured of a model, imported or shipped; nil when
// nothing was.
func (d *daemon) measuredBefore(m calib.Model) (*standing.Before, error) {
	if t := d.helm.Table(m.SHA256); t != nil {
		return &standing.Before{Table: t, From: "a signed document"}, nil
	}
	t, from, err := tables.Load(d.Config.State, m.SHA256)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &standing.Before{Table: t, From: from}, nil
}

// learnFacts are the facts of the store, nil while there is none.
func (d *daemon) learnFacts() learn.Facts {
	if s := d.store.Wait(context.Background()); s != nil {
		return s
	}
	return nil
}

// addLearning says where what is known of local answers does not hold.
func (c *conditions) addLearning(r learn.Report) {
	for _, t := range r.Targets {
		if t.Fault != nil {
			c.add("calibration", "warn", t.Name+": the calibration that was imported is not used: "+*t.Fault,
				"import another with nearside calibrate import FILE, or remove it; then run: nearside config reload")
		}
		switch t.State {
		case standing.Doubted:
			c.add("calibration", "warn", t.Name+": "+word(t.Why)+"; its conservative bound holds until enough answers were judged since",
				"judge answers with nearside feedback, or measure the model again")
		case standing.Changed:
			c.add("calibration", "info", t.Name+": its model is another than the one that was measured; the policy's thresholds hold, and none of its answers keeps to an error budget",
				"measure it, or wait until enough answers were judged")
		}
	}
}

// learnHistory is the history for the learner, nil while there is none.
func (d *daemon) learnHistory() learn.History {
	if s := d.store.Wait(context.Background()); s != nil {
		return s
	}
	return nil
}

// labelShelf is the store for labels, nil while there is none.
func (d *daemon) labelShelf() learn.Shelf {
	if s := d.store.Wait(context.Background()); s != nil {
		return shelf{s}
	}
	return nil
}

// shelf keeps labels in the store, which knows nothing of the learner.
type shelf struct{ store *store.Store }

// Put makes it a learner's shelf.
func (s shelf) Put(ctx context.Context, labels []label.Label) (int, error) {
	rows := make([]store.Label, len(labels))
	for i, l := range labels {
		rows[i] = store.Label(l)
	}
	return s.store.PutLabels(ctx, rows)
}

// Labels makes it a learner's shelf.
func (s shelf) Labels(ctx context.Context, model string, limit int) ([]label.Label, error) {
	rows, err := s.store.Labels(ctx, model, limit)
	labels := make([]label.Label, len(rows))
	for i, r := range rows {
		labels[i] = label.Label(r)
	}
	return labels, err
}

// Count makes it a learner's shelf.
func (s shelf) Count(ctx context.Context) (map[string]int64, error) { return s.store.CountLabels(ctx) }
