package policies

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config"
	"nearside/agent/server/steering"
	"nearside/cmd/nearside/shell"
)

// inForce shows what the daemon has in force. Where none answers, programs are
// told what the config has, too.
func inForce(c *cobra.Command, g *shell.Globals) error {
	d, err := g.Daemon()
	if err != nil {
		return err
	}
	var now steering.Standing
	err = d.Get(c.Context(), steering.Path, &now)
	if err != nil && g.JSON && shell.CodeOf(err) == shell.ExitAbsent {
		return errors.Join(err, ofConfig(c, g))
	}
	if err != nil {
		return err
	}
	if g.JSON {
		return shell.PrintJSON(c, &now)
	}
	tell(c.OutOrStdout(), &now)
	return nil
}

// ofConfig prints the policy that a daemon without any from outside has.
func ofConfig(c *cobra.Command, g *shell.Globals) error {
	cfg, err := g.Load()
	if err != nil {
		return err
	}
	p, err := Load(cfg)
	if err != nil {
		return shell.BadInput(err)
	}
	return shell.PrintJSON(c, &steering.Standing{
		Version: int64(p.Doc.Version), Digest: p.Digest, Source: p.Source, State: "factory", Signers: []string{}, Held: []string{}, Kinds: []steering.Kind{},
		Floors: map[string]steering.Floor{}, Remote: Remote(cfg),
	})
}

// Remote is who the device of this config is to those who steer it, nil when
// nobody does.
func Remote(cfg *config.Config) *steering.Remote {
	r := cfg.Remote
	if !r.On() {
		return nil
	}
	return &steering.Remote{Tenant: r.Tenant, Channel: r.Channel, Device: r.Device, Ring: r.Ring, Labels: r.Labels}
}

func firstLine(s *steering.Standing) string {
	return fmt.Sprintf("version %d, digest %s, from %s, %s", s.Version, s.Digest, s.Source, s.State)
}

// tell shows people what is in force and how it came to be.
func tell(out io.Writer, s *steering.Standing) {
	fmt.Fprintln(out, firstLine(s))
	if r := s.Remote; r != nil {
		fmt.Fprintf(out, "device %s of %s, channel %s, ring %s%s\n", r.Device, r.Tenant, r.Channel, r.Ring, labels(r.Labels))
		if r.Fault != "" {
			fmt.Fprintf(out, "it cannot be steered: %s\n", r.Fault)
		}
	}
	if len(s.Signers) > 0 {
		fmt.Fprintf(out, "signed by %s, root %d\n", strings.Join(s.Signers, ", "), s.RootVersion)
	}
	if s.Expired {
		fmt.Fprintln(out, "its time is over: it stays in force, and nothing that old is taken again")
	}
	if c := s.Candidate; c != nil {
		fmt.Fprintf(out, "%s: version %d (%.8s) since %s, %d asks\n", c.Step, c.Version, c.Digest, at(c.Since), c.Asks)
	}
	if b := s.RolledBack; b != nil {
		fmt.Fprintf(out, "rolled back: version %d (%.8s) at %s: %s\n", b.Version, b.Digest, at(b.At), b.Why)
		for _, line := range b.Evidence {
			fmt.Fprintln(out, "  "+line)
		}
	}
	if f := s.LastRefusal; f != nil {
		fmt.Fprintf(out, "refused last: %s at %s: %s\n", f.Reason, at(f.At), f.Detail)
	}
	tellFloors(out, s)
}

func tellFloors(out io.Writer, s *steering.Standing) {
	for _, kind := range slices.Sorted(maps.Keys(s.Floors)) {
		f := s.Floors[kind]
		fmt.Fprintf(out, "floor of %s: version %d, epoch %d (%.8s)\n", kind, f.Version, f.Epoch, f.Digest)
	}
	for _, k := range s.Kinds {
		fmt.Fprintf(out, "%s: version %d (%.8s)\n", k.Kind, k.Version, k.Digest)
	}
	if s.Clock != nil && s.Clock.State != "trusted" {
		fmt.Fprintf(out, "the clock is not trusted (%s): it is at least %s\n", s.Clock.State, at(s.Clock.Time))
	}
}

func labels(all map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		list = append(list, k+"="+all[k])
	}
	if list == nil {
		return ""
	}
	return ", labels " + strings.Join(list, ", ")
}

func at(t time.Time) string { return t.Local().Format(time.DateTime) }
