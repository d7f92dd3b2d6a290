package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/agent/server/status"
	"nearside/cmd/nearside/daemon"
	"nearside/cmd/nearside/doctor"
	"nearside/cmd/nearside/shell"
)

func doctorCmd(g *shell.Globals) *cobra.Command {
	f, offline := &serveFlags{}, false
	c := &cobra.Command{
		Use: "doctor", Short: "Find what is wrong with this set-up, and say what to do", Args: cobra.NoArgs,
		Long: `Examine config, daemon, clock, socket, state folder, disk, store, secrets, models,
memory, engine, network, name server, cloud targets and, where the device is
steered from outside, its root, the time and its brokers, with or without a
running daemon. Each line is ok, warn or fail, with what to do under it.

Nothing is changed. Without a daemon the engine is started with its model for a
moment. Each cloud target is asked once for its list of models, with its key,
which costs nothing, and each broker is logged in to once, unless the daemon is
connected; --offline asks nobody and looks up no name. Keys are never printed,
and those of the environment that no target uses are only named.

Exit: 0 nothing failed, 1 something did.`,
		Example: `  nearside doctor
  nearside doctor --offline --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			p := patientOf(c, g, f)
			p.Offline = offline
			return examine(c, g, p)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&offline, "offline", false, "ask nobody beyond this device")
	return c
}

// patient is the set-up this command line stands for.
func patientOf(c *cobra.Command, g *shell.Globals, f *serveFlags) *doctor.Patient {
	p := &doctor.Patient{Release: release, Built: built(), Now: time.Now(), Environ: os.Environ(), File: "the built-in config"}
	if path, ok, _ := config.Find(g.Config); ok {
		p.File = path
	}
	p.Config, _, p.Fault = f.load(c, g)
	if p.Config != nil {
		p.Engine, p.Gate = daemon.LocalOptions(p.Config), daemon.CheckGate(p.Config)
	}
	d := shell.NewClient(defaultSocket())
	if found, err := g.Daemon(); err == nil {
		d = found
	}
	p.Daemon, p.Silence = health(c.Context(), d)
	return p
}

// health is the status of the daemon, or why there is none.
func health(ctx context.Context, d *shell.Client) (*status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, oneLook)
	defer cancel()
	s := &status.Status{}
	err := d.Get(ctx, "/v1/status", s)
	switch {
	case err == nil:
		return s, nil
	case shell.CodeOf(err) == shell.ExitAbsent:
		return nil, fmt.Errorf("%w at %s", doctor.ErrAbsent, d.Socket)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("something listens at %s and does not answer", d.Socket)
	}
	return s, fmt.Errorf("the daemon at %s does not tell how it is: %w", d.Socket, err)
}

// examine prints every finding as it comes, or all of them as JSON.
func examine(c *cobra.Command, g *shell.Globals, p *doctor.Patient) error {
	all := []doctor.Finding{}
	show := progress{c: c, quiet: g.JSON, live: !g.JSON && shell.IsTerminal(c.ErrOrStderr())}
	doctor.Examine(c.Context(), p, show.doing, func(f doctor.Finding) {
		all = append(all, f)
		show.found(f)
	})
	show.clear()
	if err := c.Context().Err(); err != nil {
		return err
	}
	if g.JSON {
		err := json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"ok": doctor.Failed(all) == 0, "findings": all})
		if err != nil {
			return err
		}
	}
	if n := doctor.Failed(all); n > 0 {
		return fmt.Errorf("%d of %d checks failed", n, len(all))
	}
	return nil
}

// progress shows on a terminal what is being examined.
type progress struct {
	c     *cobra.Command
	quiet bool
	live  bool
}

func (p progress) doing(name string) {
	if p.live {
		fmt.Fprintf(p.c.ErrOrStderr(), "\r\x1b[K... %s", name)
	}
}

func (p progress) clear() {
	if p.live {
		fmt.Fprint(p.c.ErrOrStderr(), "\r\x1b[K")
	}
}

func (p progress) found(f doctor.Finding) {
	if p.quiet {
		return
	}
	p.clear()
	out := p.c.OutOrStdout()
	fmt.Fprintf(out, "%-4s  %-11s  %s\n", f.Verdict, f.Check, f.Message)
	if f.Hint != "" {
		fmt.Fprintf(out, "%19s%s\n", "", f.Hint)
	}
}
