package stages

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/policy/seal"
)

// Counts are the devices of a stage by how they fare.
type Counts struct {
	Known   int            `json:"known"`   // in the rings of the stage
	Offered int            `json:"offered"` // in its share: the sum of those below
	Good    int            `json:"good"`
	Failed  int            `json:"failed"`  // refused it, or rolled it back
	Late    int            `json:"late"`    // online, and silent for too long
	Waiting int            `json:"waiting"` // online, and still within the time
	Gone    int            `json:"gone"`    // went offline during the stage without a word
	Offline int            `json:"offline"` // the others that are not there
	Skipped int            `json:"skipped"` // not meant for them, or they have a newer one
	Reasons map[string]int `json:"reasons,omitempty"`
}

// Bad is how many failed, or are as good as failed.
func (c *Counts) Bad() int { return c.Failed + c.Late }

// reachable are those whose share is failures.
func (c *Counts) reachable() int { return c.Good + c.Bad() + c.Waiting }

// Fates of a device.
const (
	Good    = "good"
	Failed  = "failed"
	Late    = "late"
	Waiting = "waiting"
	Gone    = "gone"
	Offline = "offline"
	Skipped = "skipped"
)

// passing are refusals that say nothing against the candidate.
var passing = map[string]bool{"not_in_share": true, "other_audience": true, "older_version": true}

// Fate is how a device that is offered the candidate fares, and the reason of a
// failure.
func (r *Rollout) Fate(d *Device, now time.Time) (fate, reason string) {
	refused := d.Result.Digest == r.Digest && !d.Result.OK
	switch {
	case refused && passing[d.Result.Reason]:
		return Skipped, d.Result.Reason
	case refused:
		return Failed, cmp.Or(d.Result.Reason, "no_reason")
	case r.good(d):
		return Good, ""
	case d.Version > r.Version, d.Held.Version > r.Version:
		return Skipped, "newer"
	}
	since := r.Since
	if d.Changed.After(since) {
		since = d.Changed
	}
	switch silent := now.Sub(since) > time.Duration(r.Limits.TimeoutMS)*time.Millisecond; {
	case d.Online && silent:
		return Late, Late
	case d.Online:
		return Waiting, ""
	case d.Changed.After(r.Since):
		return Gone, ""
	}
	return Offline, ""
}

// good tells that the device has the candidate, as far as is asked for. Kinds
// without probation are good when the device took them, whatever it was offered
// since.
func (r *Rollout) good(d *Device) bool {
	if r.Kind != "policy" {
		return d.Digest == r.Digest || d.Result.Digest == r.Digest && d.Result.OK
	}
	if d.Digest != r.Digest {
		return false
	}
	return d.State == "confirmed" || d.State == "probation" && r.Limits.Until == UntilApplied
}

// maxReasons bounds the reasons that are counted one by one.
const maxReasons = 8

// count counts the devices of a stage.
func (r *Rollout) count(f *Fleet, s *Stage) Counts {
	c := Counts{Reasons: map[string]int{}}
	lone := r.lone(f, s)
	for i := range f.Devices {
		d := &f.Devices[i]
		if !slices.Contains(s.Rings, d.Ring) {
			continue
		}
		c.Known++
		if !s.has(r.Salt, d) && d.ID != lone && !d.Held.Ours {
			continue
		}
		c.Offered++
		fate, reason := r.Fate(d, f.Now)
		c.add(fate, reason)
	}
	return c
}

func (c *Counts) add(fate, reason string) {
	switch fate {
	case Good:
		c.Good++
	case Failed:
		c.Failed++
	case Late:
		c.Late++
	case Waiting:
		c.Waiting++
	case Gone:
		c.Gone++
	case Skipped:
		c.Skipped++
	default:
		c.Offline++
	}
	if fate != Failed && fate != Late {
		return
	}
	if _, known := c.Reasons[reason]; !known && len(c.Reasons) >= maxReasons {
		reason = "other"
	}
	c.Reasons[reason]++
}

// lone is the device that stands for a share so small that nobody falls into
// it: of those online the first by its part. "" where the share has devices, or
// one was offered the candidate already.
func (r *Rollout) lone(f *Fleet, s *Stage) string {
	first, low := "", parts
	for i := range f.Devices {
		d := &f.Devices[i]
		if !slices.Contains(s.Rings, d.Ring) {
			continue
		}
		if d.Held.Ours || s.has(r.Salt, d) {
			return ""
		}
		if part := seal.Share(r.Salt, d.ID); d.Online && part < low {
			first, low = d.ID, part
		}
	}
	return first
}

// tripped says why the failures of a stage abort the rollout, "" when not.
func (r *Rollout) tripped(c *Counts) string {
	bad, of := c.Bad(), c.reachable()
	switch {
	case bad == 0:
		return ""
	case bad >= r.Limits.AbortMin && float64(bad) > r.Limits.AbortShare*float64(of):
	case c.Waiting == 0 && 2*bad >= of:
	default:
		return ""
	}
	return fmt.Sprintf("%d of %d devices failed: %s", bad, of, c.reasons())
}

// reasons lists the most frequent reasons of failures.
func (c *Counts) reasons() string {
	names := slices.Collect(maps.Keys(c.Reasons))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(c.Reasons[b], c.Reasons[a]), cmp.Compare(a, b))
	})
	var all []string
	for _, name := range names[:min(len(names), 4)] {
		all = append(all, fmt.Sprintf("%s %d", name, c.Reasons[name]))
	}
	return strings.Join(all, ", ")
}

// settled tells that the devices of a stage have reported, all but one in a
// hundred of them, and more are well than went away without a word. A ring that
// has nobody holds up nothing but the first stage.
func (c *Counts) settled(first bool) bool {
	if c.Known == 0 {
		return !first
	}
	return c.Good > c.Gone && 100*c.Waiting <= c.Good+c.Bad()
}

// Now counts the devices of the stage that is going on.
func (r *Rollout) Now(f Fleet) Counts { return r.count(&f, &r.Stages[r.Stage]) }
