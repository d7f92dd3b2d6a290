package operator

import (
	"cmp"
	"fmt"
	"io"
	"nearside/cmd/nearside/operator/link"
	"slices"
	"time"

	"nearside/cloud/fleet"
	"nearside/cloud/fleet/stages"
)

// fate is how one device fares with a document.
type fate struct {
	Device string `json:"device"`
	Ring   string `json:"ring"`
	Online bool   `json:"online"`
	Fate   string `json:"fate"` // good failed late waiting gone offline skipped
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// fates are those of the devices that were meant, the worst first.
func fates(f *fleet.Fleet, r *stages.Rollout, meant func(*fleet.Device) bool) []fate {
	all := []fate{}
	devices := f.Devices()
	for i := range devices {
		d := &devices[i]
		if !meant(d) {
			continue
		}
		x := fate{Device: d.ID, Ring: d.Ring(), Online: d.Online()}
		x.Fate, x.Reason = d.Fate(r, time.Now())
		if s := d.Status; s != nil && s.Result != nil && s.Result.Digest == r.Digest {
			x.Detail = fleet.Said(s.Result)
		}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b fate) int { return cmp.Compare(weight(a.Fate), weight(b.Fate)) })
	return all
}

// weight orders fates, the worst first.
func weight(fate string) int {
	return slices.Index([]string{stages.Failed, stages.Late, stages.Waiting, stages.Gone, stages.Offline, stages.Skipped, stages.Good}, fate)
}

// tally counts fates by name.
func tally(all []fate) map[string]int {
	counts := map[string]int{}
	for _, x := range all {
		counts[x.Fate]++
	}
	return counts
}

// printFates tells a person how a document fares.
func printFates(w io.Writer, all []fate) {
	t := link.NewTable(w, "device", "ring", "online", "fate", "reason", "detail")
	for _, x := range all[:min(len(all), link.MaxRows)] {
		t.Row(x.Device, x.Ring, link.Yes(x.Online), x.Fate, x.Reason, x.Detail)
	}
	t.End()
	if len(all) > link.MaxRows {
		fmt.Fprintf(w, "(and %d more; --json has all)\n", len(all)-link.MaxRows)
	}
}
