package kinds

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nearside/agent/config"
	"nearside/agent/config/strict"
	"nearside/cloud/parcel"
	"nearside/policy"
	"nearside/policy/bind"
	"nearside/policy/gate"
)

// gateDocument names the gate that this device is to have: one that is built in,
// or the file of the payload.
type gateDocument struct {
	Name      string   `json:"name"`      // the target is local/gate-NAME where this device has no gate of its own; "" is the file's name, or the profile's
	Profile   string   `json:"profile"`   // one that is built in
	Threshold *float64 `json:"threshold"` // as in local.gate; nil is that of the device's own gate
	Metered   metered  `json:"metered"`

	files   []parcel.File
	read    func() ([]byte, error)
	intents []string
}

var gateName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

func readGate(body string, files []parcel.File) (Document, error) {
	g := &gateDocument{files: files}
	d := strict.Decode("gate", []byte(body), g)
	if len(files) > 1 || (len(files) == 1) == (g.Profile != "") {
		d.Report("profile", fmt.Sprintf("there must be one of a profile and a file; there are %d files", len(files)))
	}
	if g.Profile != "" && !slices.Contains(config.Gates(), g.Profile) {
		d.Report("profile", "must be one of "+strings.Join(config.Gates(), ", "))
	}
	if t := g.Threshold; t != nil && !(*t >= 0 && *t <= 1) {
		d.Report("threshold", "must be from 0 to 1")
	}
	if g.Name == "" {
		g.Name = g.Profile
	}
	if g.Name == "" && len(files) == 1 {
		g.Name = strings.TrimSuffix(files[0].Name, ".gate")
	}
	if g.Name != "" && !gateName.MatchString(g.Name) {
		d.Report("name", "must be at most 32 of a-z, 0-9, . _ and -, the first a letter or digit")
	}
	g.Metered.check(d)
	return g, d.Err()
}

func (g *gateDocument) Wishes() []parcel.Wish { return g.Metered.wishes(g.files) }

// Load makes the gate once, to see that it can be made; it is read again where
// it is needed, since it is large.
func (g *gateDocument) Load(read Reader) error {
	g.read = func() ([]byte, error) { return (&config.Gate{Profile: g.Profile}).Read() }
	if len(g.files) == 1 {
		g.read = func() ([]byte, error) { return read(g.files[0]) }
	}
	data, err := g.read()
	if err != nil {
		return err
	}
	made, err := gate.Read(data)
	if err != nil {
		return err
	}
	g.intents = made.Intents()
	return nil
}

// config is the gate in the place of the device's own, whose name it takes:
// rules and callers know that.
func (g *gateDocument) config(own *config.Gate) *config.Gate {
	c := &config.Gate{Threshold: g.Threshold, Signed: &config.SignedGate{Name: "gate-" + g.Name, Read: g.read}}
	if own == nil {
		return c
	}
	c.Signed.Name = own.Name()
	if c.Threshold == nil {
		c.Threshold = own.Threshold
	}
	return c
}

// over: rules of this device may go by what its own gate tells, so the other gate
// must tell at least that. Where rules on privacy or spending do, none takes its
// place: that it knows an intent does not mean that it ever tells it.
func (g *gateDocument) over(cfg *config.Config, own *policy.Document) ([]string, error) {
	if cfg.Local.Disabled {
		return []string{"not used: local is disabled"}, nil
	}
	if rule := goesByGate(own); rule != "" {
		return nil, fmt.Errorf("rule %s of this device's own policy keeps asks to privacy or spending by what a gate tells, and one from outside could tell it never; put that gate into the config (local.gate)", rule)
	}
	if given := cfg.Local.Gate; given != nil {
		missing, err := g.lacks(given)
		if err != nil {
			return []string{err.Error()}, nil
		}
		if missing != "" {
			return nil, fmt.Errorf("it does not know the intent %q, which this device's own gate tells and its rules may go by; train it with that too", missing)
		}
	}
	cfg.Local.Gate = g.config(cfg.Local.Gate)
	return nil, nil
}

// goesByGate is a rule on privacy or spending that goes by what gates tell, ""
// when there is none.
func goesByGate(own *policy.Document) string {
	if own == nil {
		return ""
	}
	for i := range own.Rules {
		r, by := &own.Rules[i], false
		r.When.Fields(func(field string) { by = by || field == "intent" || field == "p_in_scope" })
		if by && bind.Binds(&r.Then) {
			return r.Name
		}
	}
	return ""
}

// lacks is an intent that the device's own gate knows and this one does not.
func (g *gateDocument) lacks(own *config.Gate) (string, error) {
	data, err := own.Read()
	if err != nil {
		return "", errors.New("not used: what this device's own gate tells cannot be read")
	}
	made, err := gate.Read(data)
	if err != nil {
		return "", errors.New("not used: what this device's own gate tells cannot be read")
	}
	for _, i := range made.Intents() {
		if !slices.Contains(g.intents, i) {
			return i, nil
		}
	}
	return "", nil
}
