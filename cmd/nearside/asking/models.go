package asking

import (
	"context"
	"time"

	"nearside/cmd/nearside/shell"
	"nearside/policy"
)

// completionLimit is how long a shell waits for the daemon.
const completionLimit = time.Second

// modelNames are what --model may be: as the daemon says, else as the config
// does.
func modelNames(ctx context.Context, g *shell.Globals) []string {
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	if known, err := askedModels(ctx, g); err == nil {
		return known
	}
	cfg, err := g.Load()
	if err != nil {
		return names
	}
	if !cfg.Local.Disabled {
		for _, m := range cfg.Local.Models {
			names = append(names, "local/"+m.Name)
		}
	}
	for _, t := range cfg.Cloud.Targets {
		names = append(names, "cloud/"+t.Name)
	}
	return names
}

// askedModels are the names that the daemon knows.
func askedModels(ctx context.Context, g *shell.Globals) (names []string, err error) {
	d, err := g.Daemon()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, completionLimit)
	defer cancel()
	var list struct{ Data []struct{ ID string } }
	if err := d.Get(ctx, "/v1/models", &list); err != nil {
		return nil, err
	}
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	return names, nil
}
