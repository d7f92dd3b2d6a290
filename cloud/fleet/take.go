package fleet

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nearside/cloud/fleet/stages"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// Take takes in one message; now is by this clock. It is the handler of a
// session, and what it cannot read it counts.
func (v *View) Take(topic string, body []byte, retained bool, now time.Time) {
	t, err := wire.ParseTopic(topic)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.messages++
	if n, waited := v.echoed[topic]; waited {
		v.echoed[topic] = n + 1
	}
	if err != nil || t.Tenant != v.tenant || len(body) > wire.MaxMessage || !v.take(t, body, retained, now) {
		v.foreign++
	}
}

// take takes in a message of a topic, and tells whether it could.
func (v *View) take(t wire.Topic, body []byte, retained bool, now time.Time) bool {
	switch t.What {
	case wire.State, wire.Report:
		return v.takeOf(t, body, retained, now)
	case wire.Ack:
		return v.takeAnswer(t.Device, body)
	case wire.Event:
		return v.takeNotice(t.Device, body)
	case wire.Policy:
		return v.takeEnvelope(t, body)
	case wire.Root:
		return v.takeRoot(t, body)
	case wire.Rollout:
		return put(v.rollouts, t.Rollout, body, maxRollouts, func(b []byte) (*stages.Rollout, error) { return recordOf(t.Rollout, b) })
	case wire.Order:
		return put(v.orders, t.Rollout, body, maxRollouts, stages.ParseOrder)
	}
	return false
}

func recordOf(id string, b []byte) (*stages.Rollout, error) {
	r, err := stages.Parse(b)
	if err == nil && r.ID != id {
		return nil, fmt.Errorf("the record of %s lies at %s", r.ID, id)
	}
	return r, err
}

// put keeps what a topic retains, within a bound; an empty body removes it.
func put[T any](m map[string]*T, key string, body []byte, limit int, parse func([]byte) (*T, error)) bool {
	if len(body) == 0 {
		delete(m, key)
		return true
	}
	x, err := parse(body)
	if _, known := m[key]; err != nil || !known && len(m) >= limit {
		return false
	}
	m[key] = x
	return true
}

// device is the device of that id, made where there is room; nil where not.
func (v *View) device(id string) *Device {
	d := v.devices[id]
	if d == nil && len(v.devices) < maxDevices {
		d = &Device{ID: id}
		v.devices[id] = d
	}
	if d != nil {
		v.changed[id] = true
	}
	return d
}

// takeOf takes in what a device tells.
func (v *View) takeOf(t wire.Topic, body []byte, retained bool, now time.Time) bool {
	d := v.device(t.Device)
	if d == nil {
		return false
	}
	was := d.Online()
	err := d.tell(t.What, body)
	fault := &d.badReport
	if t.What == wire.State {
		fault = &d.badState
	}
	if *fault = ""; err != nil {
		*fault = Printable(err.Error(), maxLine)
	}
	if !retained && err == nil && len(body) > 0 {
		if d.Online() {
			d.Spoke = now
		}
		if d.Online() != was {
			d.Changed = now
		}
	}
	return err == nil
}

// tell puts a state or a report in the place of the one before.
func (d *Device) tell(what wire.What, body []byte) error {
	switch {
	case len(body) == 0 && what == wire.State:
		d.Birth = nil
		return nil
	case len(body) == 0:
		d.Status, d.Claims = nil, ""
		return nil
	case what == wire.State:
		b, err := wire.ParseBirth(body)
		if err == nil && (d.Birth == nil || b.Session >= d.Birth.Session) {
			d.Birth = b
		}
		return err
	}
	s, err := wire.ParseStatus(body)
	if err != nil {
		return err
	}
	if s.Device != d.ID {
		d.Status, d.Claims = nil, s.Device
		return fmt.Errorf("its report says that it is %s", s.Device)
	}
	cut(s)
	d.Status, d.Claims = s, ""
	return nil
}

// takeAnswer keeps an answer that is waited for, the first of each device.
func (v *View) takeAnswer(device string, body []byte) bool {
	a, err := wire.ParseAnswer(body)
	if err != nil || a.Device != device {
		return false
	}
	all := v.answers[a.ID]
	if all == nil {
		return true // of another operator's command
	}
	if all[device] == nil && len(all) < maxDevices {
		all[device] = a
	}
	return true
}

// takeNotice keeps an event; of too many the oldest go.
func (v *View) takeNotice(device string, body []byte) bool {
	n, err := wire.ParseNotice(body)
	if err != nil {
		return false
	}
	v.notices = append(v.notices, Notice{device, *n})
	v.notices = v.notices[max(0, len(v.notices)-maxNotices):]
	return true
}

// envelope is what was last read, by the digest of its bytes: the topics of a
// rollout's devices all retain the same.
type envelope struct {
	sum  [sha256.Size]byte
	kind string
	p    Published
}

// takeEnvelope notes what a ring's or a device's topic retains.
func (v *View) takeEnvelope(t wire.Topic, body []byte) bool {
	p := Published{}
	if len(body) > 0 {
		if sum := sha256.Sum256(body); v.last.sum != sum || v.last.kind != t.Kind {
			v.last = envelope{sum, t.Kind, v.read(t, body)}
		}
		p = v.last.p
	}
	if t.Device == "" {
		at := place{t.Ring, t.Kind}
		if !keep(v.rings, at, p, maxRings) {
			return false
		}
		if delete(v.bodies, at); p.Fault == "" && len(body) > 0 {
			v.bodies[at] = body
		}
		return true
	}
	d := v.device(t.Device)
	if d == nil {
		return false
	}
	if d.Held == nil {
		d.Held = map[string]Published{}
	} else {
		d.Held = maps.Clone(d.Held) // copies of the device are out
	}
	return keep(d.Held, t.Kind, p, maxKinds)
}

// keep puts what is published into a place, or takes it out when it is nothing.
func keep[K comparable](m map[K]Published, key K, p Published, limit int) bool {
	if p == (Published{}) {
		delete(m, key)
		return true
	}
	if _, known := m[key]; !known && len(m) >= limit {
		return false
	}
	m[key] = p
	return true
}

// read tells what an envelope is. Where a root is known, one that its keys did
// not sign is a fault.
func (v *View) read(t wire.Topic, body []byte) Published {
	e, err := seal.Open(body)
	if err != nil {
		return Published{Fault: Printable(err.Error(), maxLine)}
	}
	p, err := seal.ParsePayload(e.Payload)
	if err == nil && e.Type != seal.PolicyType {
		err = fmt.Errorf("%s is no policy", e.Type)
	}
	if err == nil && v.root != nil {
		_, err = v.root.Signers(e)
	}
	if err != nil {
		return Published{Fault: Printable(err.Error(), maxLine)}
	}
	found := Published{Version: p.Version, Digest: seal.Digest(e.Payload), Channel: p.Channel}
	if p.Tenant != v.tenant || p.Kind != t.Kind {
		found.Fault = fmt.Sprintf("it is %s of tenant %s", p.Kind, p.Tenant)
	}
	return found
}

func (v *View) takeRoot(t wire.Topic, body []byte) bool {
	if len(body) == 0 {
		delete(v.roots, t.Version)
		return true
	}
	if _, known := v.roots[t.Version]; !known && len(v.roots) >= maxRoots {
		return false
	}
	e, err := seal.Open(body)
	fault := ""
	if err != nil {
		fault = Printable(err.Error(), maxLine)
	} else if e.Type != seal.RootType {
		fault = "it is no root"
	}
	v.roots[t.Version] = fault
	return true
}

// Printable is text of a stranger as it may be shown on a terminal: what cannot
// be printed is a question mark, and what is longer than so many bytes is cut.
func Printable(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit] + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// cut keeps of a report what ten thousand of them may take.
func cut(s *wire.Status) {
	s.Kinds = s.Kinds[:min(len(s.Kinds), maxKinds)]
	s.Health = s.Health[:min(len(s.Health), maxHealth)]
	if r := s.Result; r != nil {
		r.Detail = Printable(r.Detail, maxLine)
		r.Evidence = r.Evidence[:min(len(r.Evidence), maxEvidence)]
		for i, line := range r.Evidence {
			r.Evidence[i] = Printable(line, maxLine)
		}
	}
}
