package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Device is what is known of the device itself. Nil is not known; it is
// neither zero nor false.
type Device struct {
	CPUPct         *float64 `json:"cpu_pct,omitempty"`
	MemAvailableMB *float64 `json:"mem_available_mb,omitempty"`
	PressurePct    *float64 `json:"pressure_pct,omitempty"`
	TemperatureC   *float64 `json:"temperature_c,omitempty"`
	BatteryPct     *float64 `json:"battery_pct,omitempty"`
	Charging       *bool    `json:"charging,omitempty"`
	DiskFreeMB     *float64 `json:"disk_free_mb,omitempty"`
	Metered        *bool    `json:"metered,omitempty"`
}

// device are the names of the device's signals.
var device = []string{
	"cpu_pct", "mem_available_mb", "pressure_pct", "temperature_c", "battery_pct", "charging", "disk_free_mb", "metered",
}

// networks are the states a network can be in.
var networks = []string{"unknown", "online", "metered", "portal", "degraded", "offline"}

// networkSignal is the name of the network's state among the signals.
const networkSignal = "network"

// Networks lists the states a network can be in.
func Networks() []string { return slices.Clone(networks) }

// Number is where the device's signal of that name is, nil when it is none or
// no number.
func (d *Device) Number(name string) **float64 {
	switch name {
	case "cpu_pct":
		return &d.CPUPct
	case "mem_available_mb":
		return &d.MemAvailableMB
	case "pressure_pct":
		return &d.PressurePct
	case "temperature_c":
		return &d.TemperatureC
	case "battery_pct":
		return &d.BatteryPct
	case "disk_free_mb":
		return &d.DiskFreeMB
	}
	return nil
}

// Flag is where the device's signal of that name is, nil when it is none or
// not true or false.
func (d *Device) Flag(name string) **bool {
	switch name {
	case "charging":
		return &d.Charging
	case "metered":
		return &d.Metered
	}
	return nil
}

// bounds are the least and the most that a signal can be in this world.
func bounds(name string) (low, high float64) {
	switch {
	case name == "temperature_c":
		return -60, 150
	case strings.HasSuffix(name, "_mb"):
		return 0, 1e9
	}
	return 0, 100
}

// Range is the least and the most that a number among the signals can be in
// this world, and whether the name is one of them.
func Range(name string) (low, high float64, ok bool) {
	if new(Device).Number(name) == nil {
		return 0, 0, false
	}
	low, high = bounds(name)
	return low, high, true
}

// Set takes one signal by its name: a float64, a bool, or the network's state
// as a string. The error says what would be right, and s is as it was then.
func (s *Signals) Set(name string, v any) error {
	if name == networkSignal {
		return s.setNetwork(v)
	}
	if p := s.Device.Flag(name); p != nil {
		is, ok := v.(bool)
		if !ok {
			return fmt.Errorf("%s must be true or false", name)
		}
		*p = &is
		return nil
	}
	p := s.Device.Number(name)
	if p == nil {
		return fmt.Errorf("%.40q is not a signal; known are %s", name, strings.Join(SignalNames(), ", "))
	}
	low, high := bounds(name)
	n, ok := v.(float64)
	if !ok || !(n >= low && n <= high) { // NaN is not within anything
		return fmt.Errorf("%s must be a number from %.0f to %.0f", name, low, high)
	}
	*p = &n
	return nil
}

func (s *Signals) setNetwork(v any) error {
	state, ok := v.(string)
	if !ok || !slices.Contains(networks, state) {
		return fmt.Errorf("%s must be one of %s", networkSignal, strings.Join(networks, ", "))
	}
	s.Network = state
	return nil
}

// SignalNames lists the signals that [Signals.Set] takes.
func SignalNames() []string { return append(slices.Clone(device), networkSignal) }
