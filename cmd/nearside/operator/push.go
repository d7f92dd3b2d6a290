package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
	"nearside/policy/seal"
)

// pushing is one nearside fleet push.
type pushing struct {
	link.Link
	ahead   link.Ahead
	rings   []string
	devices []string
	clear   bool
	kind    string
	until   string
	wait    time.Duration
}

func pushCmd(g *shell.Globals) *cobra.Command {
	p := &pushing{}
	c := &cobra.Command{
		Use: "push ENVELOPE", Short: "Publish a signed document to a ring or to devices, and wait for what they say", Args: cobra.MaximumNArgs(1),
		Long: `Publish a signed document, retained, so that devices that are away get it when they
come back. Its kind decides the topic; a root goes to the whole tenant. What is
pushed is seen by all of a ring at once: nearside fleet rollout goes in stages.

The broker is believed when it has sent the document back. Ends with 0 when all
devices that are online have it in force, with 1 when one refused it or did not
say anything within --wait, with 3 when the document is refused here. A ring or a
device of which the fleet knows nothing is most likely misspelt: nothing is
published then (exit 2), unless --ahead says that it is yet to come. Where no device
ever came at all nothing is misspelt: it is published, with a warning.`,
		Example: `  nearside fleet push --broker tls://broker.example:8883 --ca ca.crt --user op --password-file pw --tenant acme --ring canary policy.dsse
  nearside fleet push --device cam-17 --root root.json policy.dsse
  nearside fleet push root2.json
  nearside fleet push --clear --ring canary`,
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, g, args) },
	}
	p.Link.Add(c)
	p.ahead.Add(c)
	f := c.Flags()
	f.StringArrayVar(&p.rings, "ring", nil, "`NAME` of a ring")
	f.StringArrayVar(&p.devices, "device", nil, "`ID` of a device")
	f.BoolVar(&p.clear, "clear", false, "retain nothing any more; devices keep what they have")
	f.StringVar(&p.kind, "kind", seal.KindPolicy, "which `KIND` to clear: "+strings.Join(seal.Kinds(), " "))
	f.StringVar(&p.until, "until", stages.UntilApplied, "wait until it is `applied` or confirmed")
	f.DurationVar(&p.wait, "wait", 2*time.Minute, "how long to wait for the devices that are online; 0 waits for none")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(seal.Kinds(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("until", cobra.FixedCompletions([]string{stages.UntilApplied, stages.UntilConfirmed}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (p *pushing) run(c *cobra.Command, g *shell.Globals, args []string) error {
	switch {
	case p.clear == (len(args) == 1):
		return shell.Usage("give an envelope, or --clear")
	case p.until != stages.UntilApplied && p.until != stages.UntilConfirmed:
		return shell.Usage("--until %q: want %s or %s", p.until, stages.UntilApplied, stages.UntilConfirmed)
	case p.wait < 0:
		return shell.Usage("--wait must not be negative")
	case p.clear && !slices.Contains(seal.Kinds(), p.kind):
		return shell.Usage("--kind %q: want one of %s", p.kind, strings.Join(seal.Kinds(), ", "))
	case p.clear:
		return p.clearAll(c, g)
	}
	envelope, err := strict.ReadFile(args[0], seal.MaxBytes+1)
	if err != nil {
		return shell.BadInput(err)
	}
	e, err := seal.Open(envelope)
	if seal.Reason(err) == seal.Unsigned {
		err = fmt.Errorf("%w; the first root goes to devices as the file of remote.root, all else is signed first", err)
	}
	if err != nil {
		return link.Coded(err)
	}
	if e.Type == seal.RootType {
		return p.pushRoot(c, g, envelope)
	}
	return p.pushAll(c, g, envelope)
}

// places are where the flags say.
func (p *pushing) places(kind string) ([]fleet.Place, error) {
	var all []fleet.Place
	for _, ring := range p.rings {
		all = append(all, fleet.Place{Ring: ring, Kind: kind})
	}
	for _, device := range p.devices {
		all = append(all, fleet.Place{Device: device, Kind: kind})
	}
	if len(all) == 0 {
		return nil, shell.Usage("say for whom: --ring or --device")
	}
	return all, nil
}

func (p *pushing) clearAll(c *cobra.Command, g *shell.Globals) error {
	places, err := p.places(p.kind)
	if err != nil {
		return err
	}
	f, err := p.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.ahead.Check(f, p.rings, p.devices); err != nil {
		return err
	}
	for _, place := range places {
		if err := f.Push(c.Context(), place, nil); err != nil {
			return link.Coded(err)
		}
	}
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{"cleared": len(places), "kind": p.kind})
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s is cleared for %s; devices keep what they have\n", p.kind, named(places))
	return err
}

func (p *pushing) pushAll(c *cobra.Command, g *shell.Globals, envelope []byte) error {
	o, err := p.Options()
	if err != nil {
		return err
	}
	doc, err := p.Candidate(envelope, o.Root)
	if err != nil {
		return err
	}
	places, err := p.places(doc.Payload.Kind)
	if err != nil {
		return err
	}
	f, err := link.Open(c, o)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.free(f, doc, places); err != nil {
		return err
	}
	began := time.Now()
	for _, place := range places {
		if err := f.Push(c.Context(), place, envelope); err != nil {
			return link.Coded(err)
		}
	}
	return p.follow(c, g, f, doc, began)
}

// free tells whether the document may go to these places: they are known,
// nothing newer is there, and no rollout is at work.
func (p *pushing) free(f *fleet.Fleet, doc *fleet.Candidate, places []fleet.Place) error {
	if err := p.ahead.Check(f, p.rings, p.devices); err != nil {
		return err
	}
	for _, place := range places {
		at := f.At(place)
		if at.Fault == "" && (at.Version > doc.Payload.Version || at.Version == doc.Payload.Version && at.Digest != doc.Digest) {
			return shell.Refused(fmt.Errorf("%s has version %d (%.8s) already, and devices take no other of version %d; sign it as version %d",
				where(place), at.Version, at.Digest, doc.Payload.Version, at.Version+1))
		}
	}
	for _, r := range f.Rollouts() {
		if !r.Over() && r.Kind == doc.Payload.Kind && slices.ContainsFunc(p.rings, func(ring string) bool { return slices.Contains(r.Rings(), ring) }) {
			return fmt.Errorf("rollout %s is %s there; end it first with: nearside fleet abort %s", r.ID, r.State, r.ID)
		}
	}
	return nil
}

func where(p fleet.Place) string {
	if p.Device != "" {
		return "device " + p.Device
	}
	return "ring " + p.Ring
}

func named(places []fleet.Place) string {
	var all []string
	for _, p := range places {
		all = append(all, where(p))
	}
	return strings.Join(all, ", ")
}

// pushed is the outcome of a push, for programs.
type pushed struct {
	Kind    string         `json:"kind"`
	Version int64          `json:"version"`
	Digest  string         `json:"digest"`
	Counts  map[string]int `json:"counts"`
	Devices []fate         `json:"devices"`
}

// follow waits for what the devices say, and tells it.
func (p *pushing) follow(c *cobra.Command, g *shell.Globals, f *fleet.Fleet, doc *fleet.Candidate, began time.Time) error {
	r := &stages.Rollout{
		Kind: doc.Payload.Kind, Version: doc.Payload.Version, Digest: doc.Digest, Since: began,
		Limits: stages.Limits{Until: p.until, TimeoutMS: p.wait.Milliseconds()},
	}
	look := func() []fate { return fates(f, r, p.meant) }
	waits := func() bool {
		return slices.ContainsFunc(look(), func(x fate) bool { return x.Fate == stages.Waiting })
	}
	if _, err := f.Until(c.Context(), p.wait, func() bool { return !waits() }); err != nil {
		return link.Coded(err)
	}
	all := look()
	if len(all) == 0 {
		p.nobody(c, f)
	}
	counts := tally(all)
	out := pushed{r.Kind, r.Version, r.Digest, counts, all}
	if g.JSON {
		if err := shell.PrintJSON(c, out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.OutOrStdout(), "%s version %d (%.8s) is published: %s\n", r.Kind, r.Version, r.Digest, counted(counts))
		printFates(c.OutOrStdout(), all)
	}
	bad := counts[stages.Failed] + counts[stages.Late]
	if p.wait > 0 {
		bad += counts[stages.Waiting]
	}
	if bad > 0 {
		return fmt.Errorf("not all devices have it (%d of %d lack it); it stays published until a newer one is, or: %s", bad, len(all), p.withdrawal(r.Kind))
	}
	return nil
}

// nobody warns that none of those for whom the document is ever came, which is
// no fault: they may be yet to come. So it is with a tenant that is misspelt.
func (p *pushing) nobody(c *cobra.Command, f *fleet.Fleet) {
	if len(f.Devices()) == 0 {
		link.Warn(c, "no device of tenant %s ever came to this broker; what was published is kept there for those that come", p.Tenant)
		return
	}
	link.Warn(c, "no device that is meant ever came to this broker; what was published is kept there for those that come")
}

// withdrawal is the command that takes the document off the broker again.
func (p *pushing) withdrawal(kind string) string {
	line := "nearside fleet push --clear"
	if kind != "policy" {
		line += " --kind " + kind
	}
	for _, ring := range p.rings {
		line += " --ring " + ring
	}
	for _, device := range p.devices {
		line += " --device " + device
	}
	return line
}

// meant tells whether the flags name the device.
func (p *pushing) meant(d *fleet.Device) bool {
	return slices.Contains(p.rings, d.Ring()) || slices.Contains(p.devices, d.ID)
}

// counted lists counts in words, the worst first.
func counted(counts map[string]int) string {
	var all []string
	for _, name := range []string{stages.Failed, stages.Late, stages.Waiting, stages.Gone, stages.Offline, stages.Skipped, stages.Good} {
		if counts[name] > 0 {
			all = append(all, fmt.Sprintf("%d %s", counts[name], name))
		}
	}
	if len(all) == 0 {
		return "nobody is there yet"
	}
	return strings.Join(all, ", ")
}

// pushRoot publishes a root for all devices of the tenant.
func (p *pushing) pushRoot(c *cobra.Command, g *shell.Globals, envelope []byte) error {
	if len(p.rings)+len(p.devices) > 0 {
		return shell.Usage("a root is for the whole tenant; leave out --ring and --device")
	}
	next, err := seal.ParseRoot(envelope)
	if err != nil {
		return link.Coded(err)
	}
	o, err := p.Options()
	if err != nil {
		return err
	}
	if next.Tenant != "" && next.Tenant != p.Tenant {
		return shell.Refused(fmt.Errorf("the root is for tenant %s, not for %s", next.Tenant, p.Tenant))
	}
	if o.Root != nil && next.Version != o.Root.Version {
		if _, err := o.Root.Next(envelope); err != nil {
			return link.Coded(err)
		}
	}
	o.Root = nil // of the rings nothing is asked
	f, err := link.Open(c, o)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.PushRoot(c.Context(), next.Version, envelope); err != nil {
		return link.Coded(err)
	}
	return p.followRoot(c, g, f, next.Version)
}

// followRoot waits until the devices that are online have the root.
func (p *pushing) followRoot(c *cobra.Command, g *shell.Globals, f *fleet.Fleet, version int64) error {
	without := func() (n, of int) {
		for _, d := range f.Devices() {
			if d.Online() && d.Status != nil {
				if of++; d.Status.Root < version {
					n++
				}
			}
		}
		return n, of
	}
	done, err := f.Until(c.Context(), p.wait, func() bool { n, _ := without(); return n == 0 })
	if err != nil {
		return link.Coded(err)
	}
	if len(f.Devices()) == 0 {
		p.nobody(c, f)
	}
	n, of := without()
	if g.JSON {
		err = shell.PrintJSON(c, map[string]any{"kind": "root", "version": version, "online": of, "without": n})
	} else {
		_, err = fmt.Fprintf(c.OutOrStdout(), "root %d is published; %d of %d devices online have it\n", version, of-n, of)
	}
	if err == nil && !done && p.wait > 0 {
		err = errors.New("not all devices have the root yet; keep signing with keys of both roots")
	}
	return err
}
