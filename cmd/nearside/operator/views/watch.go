package views

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/broker"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
)

// watching is one nearside fleet watch.
type watching struct {
	link.Link
	choosing
}

// Watch is nearside fleet watch.
func Watch(g *shell.Globals) *cobra.Command {
	w := &watching{}
	c := &cobra.Command{
		Use: "watch", Short: "Follow what changes: devices that come and go, apply, refuse, and their events", Args: cobra.NoArgs,
		Long: `Follow what changes of the devices, a line for each change, until Ctrl-C. A broker
that goes away is waited for. With --json each line is an object.`,
		Example: `  nearside fleet watch --ring canary
  nearside fleet watch --failed --json`,
		RunE: func(c *cobra.Command, _ []string) error { return w.run(c, g) },
	}
	w.Link.Add(c)
	w.choosing.add(c)
	return c
}

// run follows one session after the other; that the first cannot be had is an
// error, and Ctrl-C is the end that is meant.
func (w *watching) run(c *cobra.Command, g *shell.Globals) error {
	f, err := w.Open(c)
	if err != nil {
		return err
	}
	w.warn(c, f)
	for {
		err := w.follow(c, g, f)
		f.Close()
		if c.Context().Err() != nil {
			return nil
		}
		if !errors.Is(err, broker.ErrLost) {
			return err
		}
		fmt.Fprintln(c.ErrOrStderr(), "the connection to the broker was lost; trying again")
		if f, err = w.Again(c); err != nil {
			return nil // Ctrl-C meanwhile
		}
	}
}

// follow tells changes until the session or the context ends.
func (w *watching) follow(c *cobra.Command, g *shell.Globals, f *fleet.Fleet) error {
	told := map[string]row{}
	for {
		for _, d := range f.Changes() {
			r := rowOf(&d)
			before, known := told[d.ID]
			if told[d.ID] = r; known && same(&before, &r) || !w.has(&r, time.Now()) {
				continue
			}
			if err := tellRow(c, g, &r); err != nil {
				return err
			}
		}
		for _, n := range f.Notices() {
			if err := w.tellNotice(c, g, told, n); err != nil {
				return err
			}
		}
		seen, _ := f.Messages()
		if _, err := f.Until(c.Context(), time.Second, func() bool { n, _ := f.Messages(); return n > seen }); err != nil {
			return err
		}
	}
}

// same tells whether nothing changed that is worth a line.
func same(a, b *row) bool {
	return a.Online == b.Online && a.Version == b.Version && a.Digest == b.Digest && a.State == b.State && a.result() == b.result() && a.Refused == b.Refused
}

func tellRow(c *cobra.Command, g *shell.Globals, r *row) error {
	if g.JSON {
		return shell.PrintJSON(c, struct {
			Time time.Time `json:"time"`
			*row
		}{time.Now().UTC(), r})
	}
	online := "online"
	if !r.Online {
		online = "offline"
	}
	line := fmt.Sprintf("%s %s %s %s %s", r.Device, cmp.Or(r.Ring, "-"), online, Label(r.Version, r.Digest), r.State)
	if said := r.result(); said != "" {
		line += " " + said
	}
	if r.Detail != "" && r.OK != nil && !*r.OK {
		line += ": " + r.Detail
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), time.Now().Format(time.TimeOnly), fleet.Printable(line, 3*link.MaxCell))
	return err
}

// tellNotice tells an event of a device of the rings that were chosen.
func (w *watching) tellNotice(c *cobra.Command, g *shell.Globals, told map[string]row, n fleet.Notice) error {
	r := told[n.Device]
	if r.Device = n.Device; !(&choosing{rings: w.rings}).has(&r, time.Now()) {
		return nil
	}
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{"time": time.Now().UTC(), "device": n.Device, "event": n.Kind, "id": n.ID, "at": n.At, "data": link.Clean(n.Data)})
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), time.Now().Format(time.TimeOnly), fleet.Printable(n.Device+" event "+n.Kind+" "+link.Brief(n.Data), 3*link.MaxCell))
	return err
}
