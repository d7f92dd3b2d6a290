package link

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"nearside/agent/config/strict"
	"nearside/cloud/fleet"
	"nearside/cmd/nearside/shell"
	"nearside/policy/meant"
)

// Unknown says of the first ring or device that nothing is known of it, and what
// was probably meant; "" where all are known. A fleet of which no device ever
// came knows no names, and so none is wrong.
func Unknown(f *fleet.Fleet, rings, devices []string) string {
	var ids []string
	for _, d := range f.Devices() {
		ids = append(ids, d.ID)
	}
	if len(ids) == 0 {
		return ""
	}
	known := f.Rings()
	for _, ring := range rings {
		if !slices.Contains(known, ring) {
			return fmt.Sprintf("no device is in ring %s, and nothing was published to it; %s", fleet.Printable(ring, MaxCell), strict.Suggest(ring, known))
		}
	}
	for _, id := range devices {
		if slices.Contains(ids, id) {
			continue
		}
		hint := "nearside fleet status lists those that did"
		if i := meant.Closest(id, ids); i >= 0 {
			hint = "did you mean " + ids[i] + "?"
		}
		return fmt.Sprintf("device %s never came to this broker; %s", fleet.Printable(id, MaxCell), hint)
	}
	return ""
}

// Ahead is whether names may be of devices that are yet to come.
type Ahead bool

// Add gives a command the flag.
func (a *Ahead) Add(c *cobra.Command) {
	c.Flags().BoolVar((*bool)(a), "ahead", false, "publish also for rings and devices of which nothing is known yet")
}

// Check refuses names of which nothing is known, unless that is meant.
func (a Ahead) Check(f *fleet.Fleet, rings, devices []string) error {
	if said := Unknown(f, rings, devices); said != "" && !bool(a) {
		return shell.Usage("%s\nNothing was changed; if it is yet to come, say so with --ahead", said)
	}
	return nil
}
