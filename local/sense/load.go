package sense

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/mem"
)

// smoothing is the time constant of the processor's share: a burst of a few
// seconds is not a load.
const smoothing = 30 * time.Second

// processor is what the last sample said of the processor.
type processor struct {
	host  counter // seconds of all cores together
	group counter // seconds of the control group
	known bool
	pct   float64 // smoothed
	at    time.Time
}

// counter is the busy seconds of something, and of how many it could have been.
type counter struct{ busy, all float64 }

// share is how much of the time since before was busy, in percent.
func (c counter) share(before counter) (pct float64, ok bool) {
	all := c.all - before.all
	return 100 * min(1, max(0, (c.busy-before.busy)/all)), before.all > 0 && all > 0
}

// processor senses how busy the processor is: all of it, or the share of it that
// the control group may use, whichever is closer to its end.
func (s *Sampler) processor(ctx context.Context, r sample) {
	before := s.cpu
	since := min(r.at.Sub(before.at), time.Hour) // the first time it is since ever
	now := processor{at: r.at, known: before.known, pct: before.pct}
	if t, err := cpu.TimesWithContext(ctx, false); err == nil && len(t) > 0 {
		all := t[0].User + t[0].System + t[0].Nice + t[0].Iowait + t[0].Irq + t[0].Softirq + t[0].Steal + t[0].Idle
		now.host = counter{busy: all - t[0].Idle - t[0].Iowait, all: all}
	}
	if cores, used, ok := s.quota(); ok {
		now.group = counter{busy: used, all: before.group.all + cores*since.Seconds()}
	}
	pct, known := now.host.share(before.host)
	source := "/proc/stat"
	if of, ok := now.group.share(before.group); ok && (!known || of > pct) {
		pct, known, source = of, true, "cgroup"
	}
	if known {
		now.smooth(pct, since)
		r.add(CPU, math.Round(now.pct*10)/10, source)
	}
	s.cpu = now
}

// smooth moves the smoothed share towards pct, the further the longer it is
// since the last time.
func (p *processor) smooth(pct float64, since time.Duration) {
	if !p.known {
		p.pct, p.known = pct, true
		return
	}
	p.pct += (pct - p.pct) * (1 - math.Exp(-since.Seconds()/smoothing.Seconds()))
}

// memory senses what can still be had, of the machine or of the control group.
func (s *Sampler) memory(ctx context.Context, r sample) {
	left, source, known := 0.0, "/proc/meminfo", false
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil && m.Total > 0 {
		left, known = float64(m.Available), true
	}
	if room, limited := s.room(); limited && known && room < left {
		left, source = room, "cgroup"
	}
	if known {
		r.add(Memory, math.Floor(left/mb), source)
	}
}

// pressure senses the share of the last ten seconds in which something waited
// for memory or the disk. A kernel that counts nothing at all says zeros: they
// mean nothing.
func (s *Sampler) pressure(r sample) {
	var most, total float64
	var source string
	look := func(from, text string) {
		avg, sum := stall(text)
		total += sum
		if text != "" && avg >= most {
			most, source = avg, from
		}
	}
	look("/proc/pressure/memory", s.proc.text("pressure/memory"))
	look("/proc/pressure/io", s.proc.text("pressure/io"))
	if groups, v2 := s.groups("memory"); v2 {
		look("cgroup", groups[0].text("memory.pressure"))
		look("cgroup", groups[0].text("io.pressure"))
	}
	_, busy := stall(s.proc.text("pressure/cpu"))
	if source != "" && total+busy > 0 {
		r.add(Pressure, min(100, most), source)
	}
}

// stall reads the line "some avg10=1.04 avg60=0.75 avg300=0.49 total=157449731".
func stall(text string) (avg10, total float64) {
	line, _, _ := strings.Cut(text, "\n")
	rest, ok := strings.CutPrefix(line, "some ")
	if !ok {
		return 0, 0
	}
	for pair := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(pair, "=")
		n, ok := parse(value)
		switch {
		case ok && name == "avg10":
			avg10 = max(0, n)
		case ok && name == "total":
			total = max(0, n)
		}
	}
	return avg10, total
}
