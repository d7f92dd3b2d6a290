package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nearside/cloud/wire"
	"nearside/policy/seal"
)

// Ask is a command to devices: what to do, and how long it may wait for a device
// that is away, at most 31 days.
type Ask struct {
	Do      string
	Args    map[string]string
	Expires time.Duration
	Signers []seal.Signer
}

// Answered is what a device said to a command; Answer is nil while it said
// nothing.
type Answered struct {
	Device string
	Online bool
	Answer *wire.Answer
}

// batch is how many devices one signed command is for: as many as an audience
// may name.
const batch = 256

// Sent are commands on their way, by device.
type Sent struct {
	fleet *Fleet
	ids   map[string]string // of the command, by device
}

// Send signs a command for just these devices and sends it to each. It says
// nothing of whether they obey.
func (f *Fleet) Send(ctx context.Context, a Ask, devices []string) (*Sent, error) {
	sent := &Sent{f, map[string]string{}}
	name := strings.ToLower(rand.Text()[:16])
	for i, some := range slices.Collect(slices.Chunk(devices, batch)) {
		id := fmt.Sprintf("%s-%d", name, i+1)
		envelope, err := a.sign(f.tenant, id, some)
		if err == nil {
			err = f.proven(envelope)
		}
		if err != nil {
			return sent, err
		}
		f.Await(id)
		for _, d := range some {
			t := wire.Topic{Tenant: f.tenant, What: wire.Command, Device: d}
			if err := f.session.Publish(ctx, t.String(), envelope, false); err != nil {
				return sent, err
			}
			sent.ids[d] = id
		}
	}
	return sent, nil
}

// proven refuses, where the root is known, what no device would obey: devices
// answer such a command with silence.
func (f *Fleet) proven(envelope []byte) error {
	if f.root == nil {
		return nil
	}
	e, err := seal.Open(envelope)
	if err == nil {
		_, err = f.root.Signers(e)
	}
	return err
}

func (a *Ask) sign(tenant, id string, devices []string) ([]byte, error) {
	now := time.Now().UTC()
	c := seal.Command{Tenant: tenant, ID: id, Do: a.Do, Args: a.Args, Issued: now, NotAfter: now.Add(a.Expires)}
	for _, d := range devices {
		c.Audience = append(c.Audience, "device:"+d)
	}
	payload, err := c.Encode()
	if err != nil {
		return nil, err
	}
	return seal.Sign(seal.CommandType, payload, a.Signers...)
}

// Wait waits until all devices that are online have answered, or so long, and
// gives what every device said, by id.
func (s *Sent) Wait(ctx context.Context, long time.Duration) ([]Answered, error) {
	_, err := s.fleet.Until(ctx, long, func() bool {
		return !slices.ContainsFunc(s.Answers(), func(a Answered) bool { return a.Online && a.Answer == nil })
	})
	return s.Answers(), err
}

// Answers are what the devices said until now, by id.
func (s *Sent) Answers() []Answered {
	online := map[string]bool{}
	for _, d := range s.fleet.Devices() {
		online[d.ID] = d.Online()
	}
	answers, all := map[string]map[string]*wire.Answer{}, []Answered{}
	for _, device := range slices.Sorted(maps.Keys(s.ids)) {
		id := s.ids[device]
		if answers[id] == nil {
			answers[id] = s.fleet.Answers(id)
		}
		all = append(all, Answered{device, online[device], answers[id][device]})
	}
	return all
}
