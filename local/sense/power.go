package sense

import "math"

// power senses the batteries of the device, those of its mouse left out, and
// whether it is being charged.
func (s *Sampler) power(r sample) {
	var full, left float64
	var charging, plugged *bool
	battery, mains := "", ""
	for _, name := range s.sys.names("class/power_supply") {
		at := s.sys.sub("class/power_supply", name)
		switch kind := at.text("type"); {
		case kind == "Mains" || kind == "USB" || kind == "Wireless":
			if on, ok := at.number("online"); ok {
				plugged, mains = either(plugged, on > 0), string(at)
			}
		case kind == "Battery" && at.text("scope") != "Device":
			charging = both(charging, at.text("status"))
			if pct, size, ok := at.charge(); ok {
				full, left, battery = full+size, left+size*pct, string(at)
			}
		}
	}
	if full > 0 {
		r.add(Battery, math.Round(left/full), s.shown(battery))
	}
	switch {
	case charging != nil:
		r.add(Charging, *charging, s.shown(battery))
	case plugged != nil:
		r.add(Charging, *plugged, s.shown(mains))
	}
}

// charge is how full a battery is, in percent, and how large it is.
func (t tree) charge() (pct, size float64, ok bool) {
	pct, ok = t.number("capacity")
	if !ok || pct < 0 || pct > 100 || t.text("present") == "0" {
		return 0, 0, false
	}
	for _, name := range []string{"energy_full", "charge_full"} {
		if size, ok := t.number(name); ok && size > 0 {
			return pct, size, true
		}
	}
	return pct, 1, true
}

func either(before *bool, on bool) *bool {
	on = on || before != nil && *before
	return &on
}

// both counts one more battery: the device is charged when none of them empties.
func both(before *bool, status string) *bool {
	charging := status != "Discharging"
	switch status {
	case "Charging", "Full", "Not charging", "Discharging": // not charging: held below full on the mains
		charging = charging && (before == nil || *before)
		return &charging
	}
	return before // not known
}
