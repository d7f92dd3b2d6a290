package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"
	"unique"

	"nearside/cloud/push"
	"nearside/cloud/steer"
	"nearside/policy"
	"nearside/policy/seal"
)

// Read makes a document of the text of a policy, best with a *seal.Refusal when
// it cannot. Any goroutine may call it; the same text may come thousands of
// times at once.
type Read func(text string) (*policy.Document, error)

// Ring is a ring of the simulated fleet and its share of the devices.
type Ring struct {
	Name  string
	Share float64 // 0 to 1; what the shares leave over goes to the last ring
}

// Options say how many devices there are and where their broker is. All but
// Prefix, Rate, Spread, Built and Kinds of Link are needed.
type Options struct {
	Devices int
	Prefix  string // of their names: PREFIX-00001
	Tenant  string
	Channel string
	Rings   []Ring
	Root    []byte // the envelope of the root that they trust
	Read    Read
	Own     *policy.Document // in force while nobody steered them
	Rate    float64          // asks a second and device, 1
	Spread  time.Duration    // over which they come up, at random
	Built   time.Time        // no clock is right before it
	// Link says where the brokers are and how to reach them; the names are
	// filled in here. With a PasswordFile the user is the device's name. Certs
	// is a folder with NAME.crt and NAME.key of each device, "" for none.
	Link  push.Options
	Certs string
}

// Fleet is devices that run in this process.
type Fleet struct {
	devices []*device
	spread  time.Duration
}

// New makes the devices; none connects before Run.
func New(o Options) (*Fleet, error) {
	if o.Devices < 1 || o.Devices > 100_000 {
		return nil, fmt.Errorf("%d devices: give 1 to 100000", o.Devices)
	}
	if len(o.Rings) == 0 || o.Read == nil || o.Own == nil {
		return nil, errors.New("simulate: rings, a reader of policies and the devices' own policy are needed")
	}
	if o.Rate <= 0 {
		o.Rate = 1
	}
	f := &Fleet{spread: o.Spread}
	for n := range o.Devices {
		d, err := o.device(n)
		if err != nil {
			return nil, err
		}
		f.devices = append(f.devices, d)
	}
	return f, nil
}

// Run runs all devices until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, d := range f.devices {
		after := time.Duration(0)
		if f.spread > 0 {
			after = rand.N(f.spread)
		}
		all.Go(func() { d.run(ctx, after) })
	}
}

func (o *Options) device(n int) (*device, error) {
	name := fmt.Sprintf("%s-%05d", o.Prefix, n+1)
	d := &device{name: name, ring: o.ring(n), started: time.Now()}
	d.subject = &subject{read: o.Read, own: o.Own, rate: o.Rate, doc: o.Own, world: newWorld(name), asked: d.started}
	var err error
	d.steer, err = steer.New(steer.Options{
		Device: seal.Device{Tenant: o.Tenant, Channel: o.Channel, ID: name, Ring: d.ring, Agent: "1.0.0"},
		Root:   o.Root, Keeper: &steer.Memory{}, Subject: d.subject, Share: one,
		Clock: func() seal.Evidence { return seal.Evidence{Wall: time.Now(), Build: o.Built} },
		Tell:  d.tell, Report: d.report, Commands: map[string]steer.Obey{"status": d.status},
	})
	if err != nil {
		return nil, err
	}
	link := o.Link
	link.Tenant, link.Ring, link.Device, link.Agent = o.Tenant, d.ring, name, "simulated"
	link.Outbox, link.Deliver = &d.notes, d.deliver
	link.Session = func(_ context.Context, least int64) (int64, error) {
		return d.session.Add(max(1, least-d.session.Load())), nil
	}
	o.credentials(&link, name)
	d.link, err = push.New(link)
	return d, err
}

func (o *Options) credentials(link *push.Options, name string) {
	if link.PasswordFile != "" {
		link.User = name
	}
	if o.Certs != "" {
		link.TLS.Cert, link.TLS.Key = filepath.Join(o.Certs, name+".crt"), filepath.Join(o.Certs, name+".key")
	}
}

// ring is that of the n-th device. Rings are spread evenly over the numbers.
func (o *Options) ring(n int) string {
	at := float64(n) / float64(o.Devices)
	for _, r := range o.Rings {
		if at -= r.Share; at < 0 {
			return r.Name
		}
	}
	return o.Rings[len(o.Rings)-1].Name
}

// one is the same string for all equal ones, so that thousands of devices hold
// a document once.
func one(s string) string { return unique.Make(s).Value() }

// Counts are how the devices are now.
type Counts struct {
	Devices     int            `json:"devices"`
	Connected   int            `json:"connected"`
	Connections uint64         `json:"connections"` // since the start
	Attempts    uint64         `json:"attempts"`
	Asks        int64          `json:"asks"`          // that were made up
	Sent        uint64         `json:"sent"`          // notes that a broker has
	Waiting     int64          `json:"waiting"`       // notes that no broker has yet
	Dropped     int64          `json:"dropped"`       // notes
	States      map[string]int `json:"states"`        // devices by what is in force: VERSION STATE
	Refusals    map[string]int `json:"refusals"`      // refused documents by reason
	Why         string         `json:"why,omitempty"` // one of those that are not connected is not
}

// Count looks at all devices.
func (f *Fleet) Count() Counts {
	c := Counts{Devices: len(f.devices), States: map[string]int{}, Refusals: map[string]int{}}
	for _, d := range f.devices {
		link, st := d.link.Status(), d.steer.Status()
		if link.Connected {
			c.Connected++
		} else if link.LastError != "" {
			c.Why = link.LastError
		}
		c.Connections, c.Attempts, c.Sent = c.Connections+link.Connections, c.Attempts+link.Attempts, c.Sent+link.Sent
		c.Asks += d.subject.Figures().Asks
		waiting, dropped := d.notes.depth()
		c.Waiting, c.Dropped = c.Waiting+waiting, c.Dropped+dropped
		c.States[fmt.Sprintf("%d %s", st.Version, st.State)]++
		for reason, n := range st.Counts.Refused {
			c.Refusals[reason] += int(n)
		}
	}
	return c
}
