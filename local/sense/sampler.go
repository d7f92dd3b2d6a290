package sense

import (
	"context"
	"path/filepath"
	"time"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/disk"
)

// Names of what is sensed.
const (
	CPU         = "cpu_pct"
	Memory      = "mem_available_mb"
	Pressure    = "pressure_pct"
	Temperature = "temperature_c"
	Battery     = "battery_pct"
	Charging    = "charging"
	Disk        = "disk_free_mb"
	Network     = "network"      // its state: only a host app says it here
	NetworkKind = "network_kind" // ethernet, wifi, cellular, vpn
	Metered     = "metered"
)

// Reading is one thing known of the device.
type Reading struct {
	Value  any // float64, bool or string
	At     time.Time
	Source string
	lasts  time.Duration // from At on; then it is not known any more
}

// Readings are what is known, by name. What is not known is absent.
type Readings map[string]Reading

// Unit is that of the values of a name; "" where there is none.
func Unit(name string) string {
	switch name {
	case CPU, Pressure, Battery:
		return "%"
	case Memory, Disk:
		return "MB"
	case Temperature:
		return "C"
	}
	return ""
}

// Timing of the samples. A sample takes a fraction of a millisecond on a small
// board, see docs/PERFORMANCE.md.
const (
	period   = 10 * time.Second
	settling = time.Second // from the first sample to the second: the processor's share needs two
	lasting  = 4 * period  // a reading that was not made anew for so long is not known any more
	mb       = 1 << 20
)

// Options say where a sampler looks.
type Options struct {
	Proc string // "" is /proc
	Sys  string // "" is /sys
	Disk string // a folder of the file system whose free space counts; "" is none
	Told func(Readings)
}

// Sampler samples the device. Make it with New.
type Sampler struct {
	opts      Options
	proc, sys tree
	cpu       processor
}

// New makes a sampler; it has read nothing yet.
func New(o Options) *Sampler {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	if o.Sys == "" {
		o.Sys = "/sys"
	}
	return &Sampler{opts: o, proc: tree(o.Proc), sys: tree(o.Sys)}
}

// Run samples at once and then periodically, and calls Told with each sample,
// until ctx ends.
func (s *Sampler) Run(ctx context.Context) error {
	s.opts.Told(s.Sample(ctx, time.Now()))
	next := time.NewTimer(settling)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			s.opts.Told(s.Sample(ctx, time.Now()))
			next.Reset(period)
		}
	}
}

// Sample reads everything once. The processor's share is known from the second
// sample on. Only one call at a time.
func (s *Sampler) Sample(ctx context.Context, now time.Time) Readings {
	ctx = context.WithValue(ctx, common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: s.opts.Proc, common.HostSysEnvKey: s.opts.Sys,
	})
	r := sample{Readings{}, now}
	s.processor(ctx, r)
	s.memory(ctx, r)
	s.pressure(r)
	s.temperature(r)
	s.power(r)
	s.network(r)
	if u, err := disk.UsageWithContext(ctx, s.opts.Disk); err == nil && u.Total > 0 {
		r.add(Disk, float64(u.Free/mb), "statfs")
	}
	return r.found
}

// sample is one sample while it is made.
type sample struct {
	found Readings
	at    time.Time
}

func (s sample) add(name string, v any, source string) {
	s.found[name] = Reading{Value: v, At: s.at, Source: source, lasts: lasting}
}

// shown is how a file of the tree is called on every device.
func (s *Sampler) shown(path string) string {
	if rel, err := filepath.Rel(s.opts.Sys, path); err == nil && filepath.IsLocal(rel) {
		return filepath.Join("/sys", rel)
	}
	return path
}
