// Package views is what an operator sees of a fleet: devices as they report,
// what changes, and records for an audit. It changes nothing.
package views

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nearside/cloud/fleet"
	"nearside/cmd/nearside/operator/link"
	"nearside/cmd/nearside/shell"
)

// row is what is told of one device.
type row struct {
	Device  string    `json:"device"`
	Ring    string    `json:"ring"`
	Online  bool      `json:"online"`
	Version int64     `json:"version"`
	Digest  string    `json:"digest"`
	State   string    `json:"state"`
	OK      *bool     `json:"ok"` // of the newest document that came; null: none did
	Reason  string    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Refused string    `json:"refused_digest,omitempty"`
	Root    int64     `json:"root_version"`
	Clock   string    `json:"clock"`
	Queue   int64     `json:"queue"`
	Dropped int64     `json:"dropped"`
	Health  []string  `json:"health,omitempty"` // what is not well
	Agent   string    `json:"agent"`
	Seen    time.Time `json:"seen,omitzero"`
	At      time.Time `json:"reported,omitzero"` // by the device's clock
	Fault   string    `json:"fault,omitempty"`   // why its report does not count
}

func rowOf(d *fleet.Device) row {
	r := row{Device: d.ID, Ring: d.Ring(), Online: d.Online(), Seen: d.Seen(), Fault: d.Fault()}
	s := d.Status
	if s == nil {
		r.Fault = cmp.Or(r.Fault, "it never reported")
		return r
	}
	r.Version, r.Digest, r.State = s.Policy.Version, s.Policy.Digest, s.Policy.State
	r.Root, r.Clock, r.Queue, r.Dropped, r.Agent, r.At = s.Root, s.Clock.State, s.Queue.Depth, s.Queue.Dropped, s.Agent, s.At
	for _, h := range s.Health {
		r.Health = append(r.Health, h.Name+" "+h.Severity)
	}
	if s.Result != nil {
		r.OK, r.Reason, r.Detail = &s.Result.OK, s.Result.Reason, fleet.Said(s.Result)
		if !s.Result.OK {
			r.Refused = s.Result.Digest
		}
	}
	return r
}

// Label is a version as people read it.
func Label(version int64, digest string) string {
	if version == 0 {
		return "own"
	}
	return fmt.Sprintf("%d@%.8s", version, digest)
}

// result is the last result in a word.
func (r *row) result() string {
	switch {
	case r.Fault != "":
		return r.Fault
	case r.OK == nil:
		return ""
	case *r.OK:
		return "ok"
	}
	return cmp.Or(r.Reason, "refused")
}

// choosing says which devices are looked at.
type choosing struct {
	rings  []string
	failed bool
	stale  time.Duration
}

func (s *choosing) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.rings, "ring", nil, "only those of ring `NAME`")
	c.Flags().BoolVar(&s.failed, "failed", false, "only those whose newest document was refused or rolled back, or whose report does not count")
	c.Flags().DurationVar(&s.stale, "stale", 0, "only those that were not heard of for `LONG`, such as 24h")
}

func (s *choosing) has(r *row, now time.Time) bool {
	switch {
	case len(s.rings) > 0 && !slices.Contains(s.rings, r.Ring):
		return false
	case s.failed && r.Fault == "" && (r.OK == nil || *r.OK) && r.State != "rolled_back":
		return false
	}
	return s.stale <= 0 || now.Sub(r.Seen) > s.stale && !r.Online
}

// warn tells on standard error of rings that nothing is known of.
func (s *choosing) warn(c *cobra.Command, f *fleet.Fleet) {
	if said := link.Unknown(f, s.rings, nil); said != "" {
		link.Warn(c, "%s", said)
	}
}

// rows are the devices that were chosen, by ring and id.
func (s *choosing) from(f *fleet.Fleet) []row {
	all := []row{}
	devices := f.Devices()
	for i := range devices {
		if r := rowOf(&devices[i]); s.has(&r, time.Now()) {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b row) int { return cmp.Compare(a.Ring, b.Ring) })
	return all
}

// looking is one nearside fleet status.
type looking struct {
	link.Link
	choosing
	all bool
}

// Status is nearside fleet status.
func Status(g *shell.Globals) *cobra.Command {
	l := &looking{}
	c := &cobra.Command{
		Use: "status", Short: "Show the devices: who is there, what each applies, and what it refused", Args: cobra.NoArgs,
		Long: `Show what the broker retains of the devices: ring, whether each is online, the
policy in force, what became of the newest document, clock, outbox, when it was
last heard of. A device that is online and says nothing new is well.`,
		Example: `  nearside fleet status
  nearside fleet status --ring canary --failed
  nearside fleet status --stale 24h --json`,
		RunE: func(c *cobra.Command, _ []string) error { return l.run(c, g) },
	}
	l.Link.Add(c)
	l.choosing.add(c)
	c.Flags().BoolVar(&l.all, "all", false, "list all devices, however many")
	return c
}

// Version counts the devices that apply a version.
type Version struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	State   string `json:"state"`
	Devices int    `json:"devices"`
	Online  int    `json:"online"`
}

func versions(rows []row) []Version {
	counts := map[Version]*Version{}
	for _, r := range rows {
		if r.State == "" {
			continue
		}
		key := Version{Version: r.Version, Digest: r.Digest, State: r.State}
		if counts[key] == nil {
			counts[key] = &Version{Version: r.Version, Digest: r.Digest, State: r.State}
		}
		counts[key].Devices++
		if r.Online {
			counts[key].Online++
		}
	}
	all := []Version{}
	for _, v := range counts {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b Version) int {
		return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(b.Devices, a.Devices), cmp.Compare(a.State+a.Digest, b.State+b.Digest))
	})
	return all
}

// Versions are those that the devices of a ring apply.
func Versions(f *fleet.Fleet, ring string) []Version {
	return versions((&choosing{rings: []string{ring}}).from(f))
}

// published is what a ring's topic retains.
type published struct {
	Ring    string `json:"ring"`
	Kind    string `json:"kind"`
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	Fault   string `json:"fault,omitempty"`
}

func placesOf(f *fleet.Fleet) []published {
	all := []published{}
	for place, p := range f.Published() {
		all = append(all, published{place.Ring, place.Kind, p.Version, p.Digest, p.Fault})
	}
	slices.SortFunc(all, func(a, b published) int { return cmp.Or(cmp.Compare(a.Ring, b.Ring), cmp.Compare(a.Kind, b.Kind)) })
	return all
}

func (l *looking) run(c *cobra.Command, g *shell.Globals) error {
	f, err := l.Open(c)
	if err != nil {
		return err
	}
	defer f.Close()
	l.warn(c, f)
	rows := l.from(f)
	all, foreign := f.Messages()
	if g.JSON {
		return shell.PrintJSON(c, map[string]any{
			"tenant": l.Tenant, "devices": rows, "versions": versions(rows), "published": placesOf(f), "rollouts": Rollouts(f),
			"messages": all, "unreadable": foreign,
		})
	}
	printStatus(c.OutOrStdout(), f, rows, l.all)
	if all == 0 {
		link.Warn(c, "the broker has nothing of tenant %s, or does not show it to this user", l.Tenant)
	}
	if foreign > 0 {
		link.Warn(c, "%d of %d messages of the broker could not be read", foreign, all)
	}
	return nil
}

// printStatus tells a person how a fleet is.
func printStatus(w io.Writer, f *fleet.Fleet, rows []row, all bool) {
	shown := rows
	if !all {
		shown = rows[:min(len(rows), link.MaxRows)]
	}
	now := time.Now()
	t := link.NewTable(w, "device", "ring", "online", "policy", "state", "result", "clock", "queue", "seen", "agent")
	for _, r := range shown {
		queue := strconv.FormatInt(r.Queue, 10)
		if r.Dropped > 0 {
			queue += fmt.Sprintf(" (%d lost)", r.Dropped)
		}
		t.Row(r.Device, r.Ring, link.Yes(r.Online), Label(r.Version, r.Digest), r.State, r.result(), r.Clock, queue, ago(now, r.Seen), r.Agent)
	}
	t.End()
	if len(shown) < len(rows) {
		fmt.Fprintf(w, "(and %d more; --all lists them)\n", len(rows)-len(shown))
	}
	online := 0
	for _, r := range rows {
		if r.Online {
			online++
		}
	}
	fmt.Fprintf(w, "\n%d devices, %d online\n", len(rows), online)
	for _, v := range versions(rows) {
		fmt.Fprintf(w, "  %s %s: %d, %d online\n", fleet.Printable(Label(v.Version, v.Digest), link.MaxCell), fleet.Printable(v.State, link.MaxCell), v.Devices, v.Online)
	}
	for _, p := range placesOf(f) {
		said := Label(p.Version, p.Digest)
		if p.Fault != "" {
			said = "something no device would take: " + p.Fault
		}
		fmt.Fprintf(w, "  ring %s retains %s %s\n", p.Ring, p.Kind, fleet.Printable(said, link.MaxCell))
	}
	for _, r := range f.Rollouts() {
		if !r.Over() {
			fmt.Fprintf(w, "  rollout %s is %s, stage %d of %d\n", r.ID, r.State, r.Stage+1, len(r.Stages))
		}
	}
}

// ago is how long something is past, in one unit.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	long := now.Sub(at)
	switch {
	case long < -24*time.Hour:
		return "its clock is ahead"
	case long < 2*time.Second:
		return "now"
	case long < 2*time.Minute:
		return fmt.Sprintf("%d s ago", int(long.Seconds()))
	case long < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(long.Minutes()))
	case long < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(long.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(long.Hours()/24))
}
