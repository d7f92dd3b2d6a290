package daemon

import (
	"context"
	"fmt"

	"nearside/agent"
	"nearside/agent/config"
	"nearside/agent/openai"
	"nearside/local/intent"
	"nearside/policy/gate"
)

// tiers are the local targets: the gate, which needs no engine, and the models.
type tiers struct {
	gate   *intent.Target
	models agent.Answerer
}

// Chat asks the one that the call names first.
func (t tiers) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	if call.Targets[0] == t.gate.Held().Name {
		return t.gate.Chat(ctx, call)
	}
	return t.models.Chat(ctx, call)
}

// readGate reads the gate that the config names. One that cannot be used leaves
// its target without one, and the error says why.
func readGate(cfg *config.Config) (intent.Held, error) {
	g := cfg.Local.Gate
	if g == nil || cfg.Local.Disabled {
		return intent.Held{}, nil
	}
	h := intent.Held{Name: "local/" + g.Name(), Threshold: g.Least()}
	data, err := g.Read()
	if err == nil {
		h.Gate, err = gate.Read(data)
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", g.Source(), err)
		h.Why = err.Error()
	}
	return h, err
}

// CheckGate tells why the gate that the config names cannot be used, nil when
// it can or there is none.
func CheckGate(cfg *config.Config) error {
	_, err := readGate(cfg)
	return err
}

// holdGate puts the gate of the config in force. When it cannot be read, the one
// that was read before from the same place stays.
func (d *daemon) holdGate(cfg *config.Config) {
	next, err := readGate(cfg)
	if err != nil {
		d.Log.Warn("the gate cannot be used", "err", err)
		if was := d.gate.Held(); was.Name == next.Name && was.Gate != nil {
			next.Gate = was.Gate
			next.Why += "; the one read before is used"
		}
	}
	d.gate.Hold(next)
}

// addGate tells of a gate that cannot be used.
func (c *conditions) addGate(h intent.Held) {
	if h.Why != "" {
		c.add("gate", "warn", h.Name+": "+h.Why, "train it again (nearside gate train), or correct local.gate; then run: nearside config reload")
	}
}
