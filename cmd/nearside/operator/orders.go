package operator

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/operator/views"
	"nearside/cmd/nearside/shell"
)

// order is what a command orders a rollout to do.
type order struct {
	do, short, long string
}

var (
	pause = order{stages.Pause, "Pause a rollout: nothing more is published until it is resumed", `Pause a rollout: nothing more is published until it is resumed. It is still
watched, and aborts itself when devices fail. The order is retained: a process
that takes the rollout up later finds it.`}
	resume = order{stages.Resume, "Resume a rollout that was paused", `Resume a rollout that was paused. The process that drives it goes on; where none
is there, nearside fleet rollout --id ID is needed, too.`}
	abort = order{stages.Abort, "Abort a rollout: what it published is cleared", `Abort a rollout: all that it published is cleared, so that no more devices get it.
Devices that have it keep it; see nearside fleet rollback. Where no process
drives the rollout, this one ends it.`}
)

func orderCmd(g *shell.Globals, o order) *cobra.Command {
	var l link.Link
	var wait time.Duration
	c := &cobra.Command{
		Use: o.do + " ROLLOUT", Short: o.short, Long: o.long, Args: cobra.ExactArgs(1),
		Example: "  nearside fleet " + o.do + " policy-8-1f2e3d4c",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c, g, &l, args[0], wait) },
	}
	l.Add(c)
	c.Flags().DurationVar(&wait, "wait", 5*time.Second, "how `LONG` to wait for the process that drives it")
	return c
}

func (o order) run(c *cobra.Command, g *shell.Globals, l *link.Link, id string, wait time.Duration) error {
	f, err := l.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	obeyed, err := f.Give(c.Context(), id, o.do, wait)
	if err != nil {
		return link.Coded(err)
	}
	said := fmt.Sprintf("rollout %s: the order to %s stays with the broker; no process drives it now, see nearside fleet rollout --id %s", id, o.do, id)
	switch {
	case o.do == stages.Abort:
		end, err := o.finish(c, f, id, wait)
		if err != nil {
			return err
		}
		said = fmt.Sprintf("rollout %s is %s; for devices that have version %d see nearside fleet rollback --rollout %s", id, end.State, end.Version, id)
	case obeyed:
		said = fmt.Sprintf("rollout %s: %sd", id, o.do)
	}
	r := f.Rollout(id)
	if r == nil {
		return fmt.Errorf("rollout %s is gone", id)
	}
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{"obeyed": obeyed, "rollout": views.SummaryOf(r)})
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), said)
	return err
}

// finish sees an abort to its end: by the process that drives the rollout, else
// by this one.
func (o order) finish(c *cobra.Command, f *fleet.Fleet, id string, wait time.Duration) (*stages.Rollout, error) {
	over := func() bool { r := f.Rollout(id); return r == nil || r.Over() }
	if done, err := f.Until(c.Context(), wait, over); err != nil {
		return nil, link.Coded(err)
	} else if done {
		return ended(f, id)
	}
	r, err := f.Resume(id, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	_, err = f.Drive(c.Context(), r, func(fleet.Progress) {})
	if err != nil {
		return nil, link.Coded(err)
	}
	return ended(f, id)
}

func ended(f *fleet.Fleet, id string) (*stages.Rollout, error) {
	if r := f.Rollout(id); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("rollout %s is gone", id)
}
