package metrics

import "nearside/agent/server/status"

// sensed are the signals of the device that are numbers, in base units.
var sensed = []struct {
	signal, name, help string
	unit               float64
}{
	{"cpu_pct", "nearside_device_cpu_ratio", "Busy share of the device's processor.", .01},
	{"mem_available_mb", "nearside_device_memory_available_bytes", "Memory that can still be had.", 1 << 20},
	{"pressure_pct", "nearside_device_pressure_ratio", "Share of time in which something waited for memory or the disk.", .01},
	{"temperature_c", "nearside_device_temperature_celsius", "Hottest spot of the processor.", 1},
	{"battery_pct", "nearside_device_battery_ratio", "How full the battery is.", .01},
	{"disk_free_mb", "nearside_device_disk_free_bytes", "Free space where the state folder is.", 1 << 20},
	{"charging", "nearside_device_charging", "1 while the battery is charged.", 1},
	{"metered", "nearside_device_metered", "1 while bytes cost money.", 1},
}

// device shows what is known; what is not has no series.
func (p page) device(signals map[string]status.Signal) {
	for _, s := range sensed {
		switch v := signals[s.signal].Value.(type) {
		case float64:
			p.gauge(s.name, s.help, v*s.unit)
		case bool:
			p.gauge(s.name, s.help, truth(v))
		}
	}
}
