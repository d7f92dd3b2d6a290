// Package fleet is the operator's side of a fleet: what the broker retains of
// it as one view, publishing with proof that it arrived, staged rollouts that
// any process can take up where another stopped, and signed commands with their
// answers. What a broker tells is of strangers: it is bounded, strictly read,
// and a device that claims to be another is shown as such.
package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"nearside/cloud/fleet/stages"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// Bounds of what is kept of a fleet.
const (
	maxDevices  = 100_000
	maxRings    = 256 // and kinds, whose envelopes are kept
	maxRollouts = 1_000
	maxRoots    = 1_000
	maxNotices  = 1_000
	maxKinds    = 8   // of a device
	maxHealth   = 16  // of a device
	maxEvidence = 8   // lines of a result
	maxLine     = 300 // bytes of such a line
)

// Device is what is known of one device.
type Device struct {
	ID      string
	Birth   *wire.Birth          // nil: none
	Status  *wire.Status         // its report; nil: none that could be read
	Claims  string               // the device that its report says it is, where that is another; the report does not count then
	Spoke   time.Time            // when it spoke during this session, by this clock; else zero
	Changed time.Time            // when it came or went during this session; else zero
	Held    map[string]Published // what its own topics retain, by kind

	badReport, badState string // why the newest could not be read
}

// Fault is why the device's newest report or state could not be read, "" where
// both could.
func (d *Device) Fault() string { return cmp.Or(d.badReport, d.badState) }

// Ring is the ring the device is in, "" when that is not known.
func (d *Device) Ring() string {
	if d.Status != nil && d.Status.Ring != "" {
		return d.Status.Ring
	}
	if d.Birth != nil {
		return d.Birth.Ring
	}
	return ""
}

// Online tells whether the device has a session. A will of an older session
// than its report says nothing.
func (d *Device) Online() bool {
	if d.Birth == nil {
		return false
	}
	return d.Birth.Online || d.Status != nil && d.Status.Session > d.Birth.Session
}

// Seen is when the device was last heard of, zero when that is not known: by
// this clock where it spoke during this session, else by its own.
func (d *Device) Seen() time.Time {
	at := d.Spoke
	if at.IsZero() && d.Status != nil {
		at = d.Status.At
	}
	if b := d.Birth; d.Spoke.IsZero() && b != nil && b.At != nil && b.At.After(at) {
		at = *b.At
	}
	return at
}

// Applied is what is in force of a kind.
func (d *Device) Applied(kind string) wire.Applied {
	if d.Status == nil {
		return wire.Applied{}
	}
	if kind == wire.PolicyKind {
		return d.Status.Policy
	}
	for _, a := range d.Status.Kinds {
		if a.Kind == kind {
			return a
		}
	}
	return wire.Applied{}
}

// Said is what a device says of a document beside the reason: the detail, and
// the figures that a roll-back rests on.
func Said(r *wire.Result) string {
	said := strings.TrimPrefix(r.Detail, r.Reason+": ")
	if len(r.Evidence) == 0 {
		return said
	}
	return strings.TrimPrefix(said+": "+strings.Join(r.Evidence, "; "), ": ")
}

// Published is an envelope that a topic retains; the zero value is none.
type Published struct {
	Version int64
	Digest  string
	Channel string
	Fault   string // why it is none that a device would take, as far as can be told
}

// View is what a broker retains of a tenant, and what came since. Its methods
// may be called from any goroutine.
type View struct {
	tenant string
	root   *seal.Root // nil: signatures are not looked at

	mu       sync.Mutex // guards what follows
	devices  map[string]*Device
	rings    map[place]Published
	bodies   map[place][]byte // the envelopes of these
	roots    map[int64]string // faults by version, "" for none
	rollouts map[string]*stages.Rollout
	orders   map[string]*stages.Order
	answers  map[string]map[string]*wire.Answer // of the commands that are waited for
	changed  map[string]bool                    // devices, since Changes was called
	notices  []Notice                           // since Notices was called, the newest maxNotices
	echoed   map[string]int                     // how often something came of the topics that are waited for
	last     envelope                           // the one that was read last: most are the same
	foreign  int                                // messages that were left out
	messages int
}

// place is where an envelope for a ring is retained.
type place struct{ ring, kind string }

// NewView is a view of nothing yet. With a root, what is published counts only
// where enough of its keys signed it.
func NewView(tenant string, root *seal.Root) *View {
	return &View{
		tenant: tenant, root: root, devices: map[string]*Device{}, rings: map[place]Published{}, bodies: map[place][]byte{}, roots: map[int64]string{},
		rollouts: map[string]*stages.Rollout{}, orders: map[string]*stages.Order{}, answers: map[string]map[string]*wire.Answer{},
		changed: map[string]bool{}, echoed: map[string]int{},
	}
}

// Messages is how many came, and how many of these were left out because they
// could not be read or were too many.
func (v *View) Messages() (all, foreign int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.messages, v.foreign
}

// Devices are copies of all devices, by id.
func (v *View) Devices() []Device {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]Device, 0, len(v.devices))
	for _, d := range v.devices {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Device) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Changes are the devices that changed since it was last called, by id.
func (v *View) Changes() []Device {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []Device
	for _, id := range slices.Sorted(maps.Keys(v.changed)) {
		if d := v.devices[id]; d != nil {
			all = append(all, *d)
		}
	}
	clear(v.changed)
	return all
}

// Ring is what a ring's topic retains of a kind.
func (v *View) Ring(ring, kind string) Published {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rings[place{ring, kind}]
}

// Envelope is what a ring's topic retains of a kind, as it is; nil is nothing.
func (v *View) Envelope(ring, kind string) []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bodies[place{ring, kind}]
}

// Rings are the names of all rings that anything is known of: by devices that
// say they are in them, documents that their topics retain, rollouts to them.
func (v *View) Rings() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[string]bool{}
	for _, d := range v.devices {
		all[d.Ring()] = true
	}
	for at := range v.rings {
		all[at.ring] = true
	}
	for _, r := range v.rollouts {
		for _, ring := range r.Rings() {
			all[ring] = true
		}
	}
	delete(all, "") // of devices that do not say
	return slices.Sorted(maps.Keys(all))
}

// NewestRoot is the highest version of a root that is published and can be
// read, 0 without one. Who signed it is not looked at.
func (v *View) NewestRoot() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	newest := int64(0)
	for version, fault := range v.roots {
		if fault == "" {
			newest = max(newest, version)
		}
	}
	return newest
}

// Rollouts are the records of all rollouts, the newest first.
func (v *View) Rollouts() []stages.Rollout {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]stages.Rollout, 0, len(v.rollouts))
	for _, r := range v.rollouts {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b stages.Rollout) int { return b.Started.Compare(a.Started) })
	return all
}

// Rollout is the record of one, nil when there is none.
func (v *View) Rollout(id string) *stages.Rollout {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.rollouts[id]; r != nil {
		c := *r
		return &c
	}
	return nil
}

// Fleet is the view as a rollout looks at it.
func (v *View) Fleet(r *stages.Rollout, now time.Time) stages.Fleet {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := stages.Fleet{Now: now, Devices: make([]stages.Device, 0, len(v.devices)), Rings: map[string]stages.Held{}, Order: v.orders[r.ID]}
	for _, ring := range r.Rings() {
		f.Rings[ring] = held(v.rings[place{ring, r.Kind}], r.Digest)
	}
	for _, d := range v.devices {
		f.Devices = append(f.Devices, d.staged(r))
	}
	return f
}

// held is what a topic retains, to a rollout. What no device would take does not
// count.
func held(p Published, digest string) stages.Held {
	if p.Fault != "" {
		return stages.Held{}
	}
	return stages.Held{Ours: p.Digest == digest, Version: p.Version}
}

// staged is the device as a rollout looks at it.
func (d *Device) staged(r *stages.Rollout) stages.Device {
	a := d.Applied(r.Kind)
	s := stages.Device{
		ID: d.ID, Ring: d.Ring(), Online: d.Online(), Changed: d.Changed,
		Version: a.Version, Digest: a.Digest, State: a.State, Held: held(d.Held[r.Kind], r.Digest),
	}
	if d.Status != nil && d.Status.Result != nil {
		s.Result = stages.Result{Digest: d.Status.Result.Digest, OK: d.Status.Result.OK, Reason: d.Status.Result.Reason}
	}
	return s
}

// Notice is an event of a device.
type Notice struct {
	Device string
	wire.Notice
}

// Notices are the events since it was last called, the newest thousand.
func (v *View) Notices() []Notice {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := v.notices
	v.notices = nil
	return all
}

// echoes is how often something came of a topic since this was first asked.
func (v *View) echoes(topic string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.echoed[topic] += 0
	return v.echoed[topic]
}

// Await has the answers to a command kept from now on.
func (v *View) Await(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers[id] = map[string]*wire.Answer{}
}

// Answers are those that came to a command, by device.
func (v *View) Answers(id string) map[string]*wire.Answer {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.answers[id])
}

// Fate is how the device fares with the document of a rollout, whether it was
// offered it or not, and the reason of a failure.
func (d *Device) Fate(r *stages.Rollout, now time.Time) (fate, reason string) {
	s := d.staged(r)
	return r.Fate(&s, now)
}

// Published is what the rings' topics retain.
func (v *View) Published() map[Place]Published {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := map[Place]Published{}
	for at, p := range v.rings {
		all[Place{Ring: at.ring, Kind: at.kind}] = p
	}
	return all
}
