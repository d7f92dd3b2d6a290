package seal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"

	"nearside/policy/seal/exact"
)

const (
	nameForm    = "1 to 64 of the characters A-Z a-z 0-9 . _ -"
	maxAudience = 256
	// Shares is how finely a rollout can divide a fleet.
	Shares = 10_000
)

// Device is what a document is held against: the device that reads it. Agent is
// the version of its program.
type Device struct {
	Tenant  string
	Channel string
	ID      string
	Ring    string
	Labels  map[string]string
	Agent   string
}

// isName tells whether the text may name a tenant, channel, ring or device: it
// then stands for itself in topics, paths and logs.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// Audience says for whom a document is: `*`, `device:ID`, `ring:R`, `label:K=V`,
// or a word that names a device or a ring. One that fits is enough; without any
// it is for everyone in its channel.
type Audience []string

// Has tells whether the device is meant.
func (a Audience) Has(d Device) bool {
	for _, who := range a {
		if has(who, d) {
			return true
		}
	}
	return len(a) == 0
}

func has(who string, d Device) bool {
	kind, name, named := strings.Cut(who, ":")
	switch {
	case who == "*":
		return true
	case !named:
		return who == d.ID || who == d.Ring
	case kind == "device":
		return name == d.ID
	case kind == "ring":
		return name == d.Ring
	}
	label, value, _ := strings.Cut(name, "=")
	given, ok := d.Labels[label]
	return ok && given == value
}

// fitsAudience tells whether the text says for whom in a way that is known.
func fitsAudience(who string) bool {
	kind, name, named := strings.Cut(who, ":")
	switch {
	case who == "*":
		return true
	case !named:
		return isName(who)
	case kind == "label":
		label, value, ok := strings.Cut(name, "=")
		return ok && isName(label) && exact.Printable(value, 0, 128)
	}
	return (kind == "device" || kind == "ring") && isName(name)
}

// MarshalJSON writes one as text, several as a list.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// audience takes text or a list of text.
func (f fields) audience() Audience {
	const right = "one or a list of *, device:ID, ring:R, label:K=V or a name"
	v, ok := f.Take("audience", right, true)
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	if !ok {
		return nil
	}
	if len(list) == 0 || len(list) > maxAudience {
		f.Fault("audience", right)
	}
	var a Audience
	for _, v := range list {
		who, _ := v.(string)
		if !fitsAudience(who) {
			f.Fault("audience", right)
		}
		a = append(a, who)
	}
	return a
}

// Rollout gives a document to a share of the devices, always the same ones for
// the same salt, more of them as the share grows.
type Rollout struct {
	Pct  float64 `json:"pct"` // 0 to 100, in steps of 0.01
	Salt string  `json:"salt"`
}

// Has tells whether the rollout reaches the device.
func (r Rollout) Has(device string) bool {
	return Share(r.Salt, device) < int(math.Round(r.Pct*Shares/100))
}

// Share is the place of the device among [Shares]: the first 8 bytes of
// SHA-256(salt, a zero byte, device), modulo that.
func Share(salt, device string) int {
	sum := sha256.Sum256([]byte(salt + "\x00" + device))
	return int(binary.BigEndian.Uint64(sum[:8]) % Shares)
}

func (f fields) rollout() *Rollout {
	v, ok := f.Take("rollout", "", true)
	if !ok {
		return nil
	}
	in := f.Inner("rollout", v)
	r := &Rollout{Salt: in.Text("salt", "1 to 128 printable characters", false, func(s string) bool { return exact.Printable(s, 1, 128) })}
	const right = "a number from 0 to 100 with at most two decimals"
	raw, _ := in.Take("pct", right, false)
	number, _ := raw.(json.Number)
	pct, err := number.Float64()
	if err != nil || pct < 0 || pct > 100 || pct != math.Round(pct*100)/100 {
		in.Fault("pct", right)
	}
	r.Pct, _ = pct, in.End() // told by f
	return r
}
