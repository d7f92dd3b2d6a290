package daemon

import (
	"context"

	"nearside/agent/config"
	"nearside/agent/learn"
	"nearside/store"
)

// learnSettings are how the config has the daemon learn.
func learnSettings(cfg *config.Config) learn.Settings {
	return learn.Settings{Off: cfg.Learn.Disabled}
}

// learnHistory is the history for the learner, nil while there is none.
func (d *daemon) learnHistory() learn.History {
	if s := d.store.wait(context.Background()); s != nil {
		return s
	}
	return nil
}

// labelShelf is the store for labels, nil while there is none.
func (d *daemon) labelShelf() learn.Shelf {
	if s := d.store.wait(context.Background()); s != nil {
		return shelf{s}
	}
	return nil
}

// shelf keeps labels in the store, which knows nothing of the learner.
type shelf struct{ store *store.Store }

// Put makes it a learner's shelf.
func (s shelf) Put(ctx context.Context, labels []learn.Label) (int, error) {
	rows := make([]store.Label, len(labels))
	for i, l := range labels {
		rows[i] = store.Label(l)
	}
	return s.store.PutLabels(ctx, rows)
}

// Labels makes it a learner's shelf.
func (s shelf) Labels(ctx context.Context, model string, limit int) ([]learn.Label, error) {
	rows, err := s.store.Labels(ctx, model, limit)
	labels := make([]learn.Label, len(rows))
	for i, r := range rows {
		labels[i] = learn.Label(r)
	}
	return labels, err
}

// Count makes it a learner's shelf.
func (s shelf) Count(ctx context.Context) (map[string]int64, error) { return s.store.CountLabels(ctx) }
