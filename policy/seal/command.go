package seal

import (
	"strings"
	"time"
)

// maxCommandLife bounds how long a command may wait for its device, and with it
// how long devices must remember which they answered.
const maxCommandLife = 31 * 24 * time.Hour

// Command is a signed word to a device. The id names it: a device answers an id
// once, however often it arrives.
type Command struct {
	Tenant   string            `json:"tenant"`
	ID       string            `json:"id"`
	Do       string            `json:"do"` // a lower_snake word
	Audience Audience          `json:"audience,omitempty"`
	Issued   time.Time         `json:"issued"`
	NotAfter time.Time         `json:"not_after"` // at most 31 days after Issued
	Args     map[string]string `json:"args,omitempty"`
}

// Encode is the command as it is signed, times in whole seconds. One that
// devices would refuse for its form is an error, a [*Refusal].
func (c *Command) Encode() ([]byte, error) {
	d := *c
	d.Issued, d.NotAfter = seconds(c.Issued), seconds(c.NotAfter)
	b, err := encode(d)
	if err != nil {
		return nil, err
	}
	_, err = ParseCommand(b)
	return b, err
}

// ParseCommand reads a command, whoever signed it. Devices call
// [Root.VerifyCommand].
func ParseCommand(b []byte) (*Command, error) {
	f, err := parseObject("command", b)
	if err != nil {
		return nil, err
	}
	c := &Command{
		Tenant: f.Text("tenant", nameForm, false, isName), ID: f.Text("id", nameForm, false, isName),
		Do: f.Text("do", "1 to 64 of a-z 0-9 _", false, isWord), Audience: f.audience(),
		Issued: f.Moment("issued", false), NotAfter: f.Moment("not_after", false), Args: f.args(),
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	if life := c.NotAfter.Sub(c.Issued); life <= 0 || life > maxCommandLife {
		return nil, refuse(Malformed, "command.not_after must be later than issued, by at most 31 days")
	}
	return c, nil
}

func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// args takes names with text.
func (f fields) args() map[string]string {
	v, ok := f.Take("args", "", true)
	if !ok {
		return nil
	}
	in, args := f.Inner("args", v), map[string]string{}
	for _, name := range in.Names() {
		if !isWord(name) || len(args) > 32 {
			in.Fault(name, "one of at most 32 arguments, named with a-z 0-9 _")
		}
		args[name] = in.Text(name, "text of at most 4096 bytes", false, func(s string) bool { return len(s) <= 4096 })
	}
	_ = in.End() // told by f
	return args
}

// VerifyCommand opens the envelope of a command and tells what it is, if this
// device may obey: enough signatures, its tenant and audience, not expired, and
// not of a day that is to come, where that is known.
// Whether it was answered before is for the caller to know.
func (r *Root) VerifyCommand(envelope []byte, d Device, now Reading) (*Command, error) {
	c, _, err := r.ReadCommand(envelope)
	if err != nil {
		return nil, err
	}
	if err := c.Judge(r, d, now); err != nil {
		return nil, err
	}
	return c, nil
}

// Judge tells whether a device may obey.
func (c *Command) Judge(r *Root, d Device, now Reading) error {
	if err := r.current(now); err != nil {
		return err
	}
	switch {
	case c.Tenant != d.Tenant || r.Tenant != "" && r.Tenant != c.Tenant:
		return refuse(OtherTenant, "for tenant %q; this device is of %q", c.Tenant, d.Tenant)
	case !c.Audience.Has(d):
		return refuse(OtherAudience, "for %q; this is device %q in ring %q", []string(c.Audience), d.ID, d.Ring)
	case now.State == ClockTrusted && c.Issued.After(now.Time.Add(ahead)):
		return refuse(NotYetValid, "issued at %s, and it is %s: a device remembers commands until they have expired", written(c.Issued), written(now.Time))
	case !c.NotAfter.After(now.Time):
		return refuse(Expired, "ended at %s; it is at least %s", written(c.NotAfter), written(now.Time))
	}
	return nil
}

// ReadCommand opens the envelope of a command and verifies the signatures, for
// people who want to know what it is and by which keys.
func (r *Root) ReadCommand(envelope []byte) (*Command, []string, error) {
	e, ids, err := r.open(envelope, CommandType)
	if err != nil {
		return nil, nil, err
	}
	c, err := ParseCommand(e.Payload)
	return c, ids, err
}
