// Package signals reads what is said of the device from outside: by the host app
// for a while, and in a header for one explanation. What is not right is refused
// by its name.
package signals

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/agent/openai/fault"
	"nearside/policy"
)

// Pushed is what the host app says of one signal, for so long. A nil Value
// withdraws what it said before.
type Pushed struct {
	Value any // float64, bool or string
	TTL   time.Duration
}

// Bounds of how long something may be said to count.
const (
	minTTL = time.Second
	maxTTL = 24 * time.Hour
)

// Parse reads {"battery_pct":{"value":8,"ttl_s":300},"charging":null}: all of it,
// or an error of agent/openai/fault for the first thing that is wrong.
func Parse(body []byte) (map[string]Pushed, error) {
	const shape = `The body must be a JSON object such as {"battery_pct":{"value":8,"ttl_s":300}}.`
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fault.Invalid("", shape)
	}
	values := map[string]Pushed{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, fault.Invalid("", shape)
		}
		if _, twice := values[name]; twice {
			return nil, fault.Invalid(name, "%.40s is there twice.", name)
		}
		if values[name], err = pushed(name, d); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, fault.Invalid("", shape)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.Invalid("", shape)
	}
	return values, nil
}

// pushed reads what is said of one signal.
func pushed(name string, d *json.Decoder) (Pushed, error) {
	var said *struct {
		Value any      `json:"value"`
		TTL   *float64 `json:"ttl_s"`
	}
	err := d.Decode(&said)
	if !slices.Contains(policy.SignalNames(), name) {
		return Pushed{}, fault.Invalid(name, "%.40q is not a signal; known are %s.", name, strings.Join(policy.SignalNames(), ", "))
	}
	if wrong := new(json.UnmarshalTypeError); err != nil && !(errors.As(err, &wrong) && wrong.Field != "" && said != nil) {
		return Pushed{}, fault.Invalid(name, `%s must be {"value": ..., "ttl_s": SECONDS}, or null to withdraw it.`, name)
	}
	if said == nil {
		return Pushed{}, nil
	}
	if err := new(policy.Signals).Set(name, said.Value); err != nil {
		return Pushed{}, fault.Invalid(name+".value", "%s.", err)
	}
	if said.TTL == nil || !(*said.TTL >= minTTL.Seconds() && *said.TTL <= maxTTL.Seconds()) {
		return Pushed{}, fault.Invalid(name+".ttl_s", "%s.ttl_s must be a number of seconds from %.0f to %.0f.", name, minTTL.Seconds(), maxTTL.Seconds())
	}
	return Pushed{said.Value, time.Duration(*said.TTL * float64(time.Second))}, nil
}

// Header carries signals that an explanation is to assume.
const Header = "x-nearside-signals"

// Assumed reads "battery_pct=8, charging=false", the value of [Header]. Whether
// the values are right for their names is for the agent to say.
func Assumed(list string) (map[string]any, error) {
	if list == "" {
		return nil, nil
	}
	values := map[string]any{}
	for pair := range strings.SplitSeq(list, ",") {
		name, text, ok := strings.Cut(pair, "=")
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		if !ok || name == "" || text == "" {
			return nil, fault.Invalid(Header, "%s has %.60q; it must be NAME=VALUE, ..., such as battery_pct=8.", Header, pair)
		}
		if _, twice := values[name]; twice {
			return nil, fault.Invalid(Header, "%s has %.40s twice.", Header, name)
		}
		values[name] = value(text)
	}
	return values, nil
}

// value is what a text says: true or false, a number, or itself.
func value(text string) any {
	switch text {
	case "true":
		return true
	case "false":
		return false
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n
	}
	return text
}
