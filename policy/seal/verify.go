package seal

import "cmp"

// Floor is the highest that a device took of a kind of document, ordered by
// epoch and then by version: nothing below it is taken again. Current is the
// digest of what is in force, "" when that is the device's own.
type Floor struct {
	Epoch   int64  `json:"epoch"`
	Version int64  `json:"version"`
	Digest  string `json:"digest"`
	Current string `json:"current,omitempty"`
}

// Floors are the floors of a device by [FloorKey]; nil has none.
type Floors map[string]Floor

// FloorKey names a floor: floors of one tenant or channel say nothing of
// another's.
func FloorKey(tenant, channel, kind string) string { return tenant + "/" + channel + "/" + kind }

// Verified is a payload that enough keys signed. Known tells that it is in force:
// it raised the floor, and nothing took its place since.
type Verified struct {
	Payload
	Digest   string
	SignedBy []string // ids of keys
	Known    bool
}

// Verify opens an envelope and tells what is in it, if a device may take it:
// first the signatures over the raw bytes, then what the payload says of tenant,
// channel, audience, epoch, version, agent, previous, times and share. What it
// refuses is a [*Refusal]. A document that is in force is only held against what
// comes before agent, since the rest was judged when it came; one that was, and
// is no more, has no such right. With the
// refusal of a document that enough keys signed comes what it is, for reports.
func (r *Root) Verify(envelope []byte, d Device, f Floors, c Reading) (*Verified, error) {
	v, err := r.Read(envelope)
	if err != nil {
		return nil, err
	}
	return v, v.Judge(r, d, f, c)
}

// Read opens an envelope and verifies the signatures, for people who want to
// know what it is: whether a device would take it is not judged.
func (r *Root) Read(envelope []byte) (*Verified, error) {
	e, ids, err := r.open(envelope, PolicyType)
	if err != nil {
		return nil, err
	}
	p, err := ParsePayload(e.Payload)
	if err != nil {
		return nil, err
	}
	return &Verified{Payload: *p, Digest: p.Digest, SignedBy: ids}, nil
}

// open is an envelope of that type which enough keys signed.
func (r *Root) open(envelope []byte, typ string) (*Envelope, []string, error) {
	e, err := Open(envelope)
	if err != nil {
		return nil, nil, err
	}
	if e.Type != typ {
		return nil, nil, refuse(WrongType, "this is %s, not %s", e.Type, typ)
	}
	ids, err := r.Signers(e)
	return e, ids, err
}

// Judge tells whether a device may take the document, and sets Known.
func (v *Verified) Judge(r *Root, d Device, floors Floors, c Reading) error {
	floor := floors[FloorKey(v.Tenant, v.Channel, v.Kind)]
	if err := v.addressed(r, d); err != nil {
		return err
	}
	if err := v.above(r, floor); err != nil {
		return err
	}
	v.Known = floor.Current == v.Digest && floor.Digest == v.Digest && floor.Version == v.Version && floor.Epoch == v.Epoch
	if v.Known {
		return nil
	}
	if err := r.current(c); err != nil {
		return err
	}
	return v.fits(d, floor, c)
}

// addressed tells whether the document is for this device.
func (v *Verified) addressed(r *Root, d Device) error {
	switch {
	case v.Tenant != d.Tenant || v.Tenant != cmp.Or(r.Tenant, v.Tenant):
		return refuse(OtherTenant, "for tenant %q; this device and its root are %q", v.Tenant, cmp.Or(d.Tenant, r.Tenant))
	case v.Channel != d.Channel:
		return refuse(OtherChannel, "for channel %q; this device is in %q", v.Channel, d.Channel)
	case !v.Audience.Has(d):
		return refuse(OtherAudience, "for %q; this is device %q in ring %q", []string(v.Audience), d.ID, d.Ring)
	}
	return nil
}

// above holds epoch and version against the floor.
func (v *Verified) above(r *Root, floor Floor) error {
	low := max(r.Epoch, floor.Epoch)
	switch {
	case v.Epoch < low:
		return refuse(EpochRolledBack, "epoch %d; this device is at %d", v.Epoch, low)
	case v.Epoch > floor.Epoch:
		return nil
	case v.Version < floor.Version:
		return refuse(OlderVersion, "version %d; this device took %d before; sign a higher one", v.Version, floor.Version)
	case v.Version == floor.Version && floor.Digest != "" && v.Digest != floor.Digest:
		return refuse(OtherDigest, "version %d was taken with digest %.8s, this one has %.8s; a version is never signed twice", v.Version, floor.Digest, v.Digest)
	}
	return nil
}

// fits tells whether the device may take the document now.
func (v *Verified) fits(d Device, floor Floor, c Reading) error {
	switch {
	case v.MinAgent != "" && !recentEnough(d.Agent, v.MinAgent):
		return refuse(AgentTooOld, "wants at least version %s of the program; this is %q", v.MinAgent, d.Agent)
	case v.Previous != "" && v.Previous != floor.Current:
		return refuse(WrongPrevious, "made to follow %.8s; in force is %.16s", v.Previous, cmp.Or(floor.Current, "the device's own"))
	}
	if err := v.timely(c); err != nil {
		return err
	}
	if v.Rollout != nil && !v.Rollout.Has(d.ID) {
		return refuse(NotInShare, "rolled out to %v %% of the devices, not to %q yet", v.Rollout.Pct, d.ID)
	}
	return nil
}

func (p *Payload) timely(c Reading) error {
	if !p.NotAfter.IsZero() && !p.NotAfter.After(c.Time) {
		return refuse(Expired, "ended at %s; it is at least %s", written(p.NotAfter), written(c.Time))
	}
	switch {
	case !p.NotBefore.After(c.Time):
		return nil
	case c.State == ClockTrusted:
		return refuse(NotYetValid, "begins at %s; it is %s", written(p.NotBefore), written(c.Time))
	}
	return refuse(NotYetValid, "begins at %s; the clock is not known (%s)", written(p.NotBefore), c.State)
}
