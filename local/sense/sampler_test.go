package sense_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/local/sense"
)

// device is a recorded tree of /proc and /sys that the test may change.
type device struct {
	t   testing.TB
	dir string
	*sense.Sampler
	now time.Time
}

func newDevice(t testing.TB, name string) *device {
	d := &device{t: t, dir: t.TempDir(), now: time.Unix(1e9, 0)}
	if err := os.CopyFS(d.dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	d.Sampler = sense.New(sense.Options{Proc: d.dir + "/proc", Sys: d.dir + "/sys"})
	return d
}

func (d *device) write(path, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, path), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// after is what is sensed some time later, values and sources apart.
func (d *device) after(wait time.Duration) (values map[string]any, sources map[string]string) {
	d.now = d.now.Add(wait)
	values, sources = map[string]any{}, map[string]string{}
	for name, r := range d.Sample(d.t.Context(), d.now) {
		if !r.At.Equal(d.now) {
			d.t.Errorf("%s is of %v", name, r.At)
		}
		values[name], sources[name] = r.Value, strings.TrimPrefix(r.Source, d.dir)
	}
	return values, sources
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

func TestCar(t *testing.T) {
	d := newDevice(t, "car")
	values, sources := d.after(0)
	same(t, "first", values, map[string]any{
		"mem_available_mb": 896.0, "pressure_pct": 12.5, "temperature_c": 73.5, "battery_pct": 12.0, "charging": false,
		"network_kind": "cellular", "metered": true,
	})
	same(t, "sources", sources, map[string]string{
		"mem_available_mb": "/proc/meminfo", "pressure_pct": "/proc/pressure/memory",
		"temperature_c": "/sys/class/thermal/thermal_zone1/temp", "battery_pct": "/sys/class/power_supply/battery",
		"charging": "/sys/class/power_supply/battery", "network_kind": "wwan0", "metered": "modem wwan0",
	})
	d.write("proc/stat", "cpu  10500 0 5250 80250 1000 0 1000 0 0 0\n") // 750 of 1000 ticks
	d.write("sys/class/power_supply/battery/status", "Unknown\n")
	d.write("sys/class/power_supply/usb/online", "1\n")
	d.write("sys/class/thermal/thermal_zone1/temp", "garbage\n")
	values, sources = d.after(10 * time.Second)
	same(t, "processor", values["cpu_pct"], 75.0)
	same(t, "its source", sources["cpu_pct"], "/proc/stat")
	same(t, "plugged", values["charging"], true)
	same(t, "another zone", values["temperature_c"], 71.25)
}

func TestLaptop(t *testing.T) {
	values, _ := newDevice(t, "laptop").after(0)
	same(t, "first", values, map[string]any{
		"mem_available_mb": 7168.0, "pressure_pct": 0.31, "temperature_c": 62.5, "battery_pct": 83.0, "charging": true, "network_kind": "vpn",
	})
}

func TestContainers(t *testing.T) {
	d := newDevice(t, "container-v2")
	values, sources := d.after(0)
	same(t, "first", values, map[string]any{"mem_available_mb": 134.0, "pressure_pct": 21.4, "network_kind": "ethernet"})
	same(t, "sources", sources, map[string]string{"mem_available_mb": "cgroup", "pressure_pct": "cgroup", "network_kind": "eth0"})
	d.write("proc/stat", "cpu  10100 0 10100 381800 0 0 0 0 0 0\n")       // the host is busy for a tenth
	d.write("sys/fs/cgroup/cpu.stat", "usage_usec 12000000\nuser_usec 1") // 2 s in 10 s, of half a core
	values, sources = d.after(10 * time.Second)
	same(t, "processor", values["cpu_pct"], 40.0)
	same(t, "its source", sources["cpu_pct"], "cgroup")

	d = newDevice(t, "container-v1")
	values, _ = d.after(0)
	same(t, "first", values, map[string]any{"mem_available_mb": 56.0, "network_kind": "ethernet"})
	d.write("proc/stat", "cpu  10100 0 10100 381800 0 0 0 0 0 0\n")
	d.write("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "67500000000\n") // 7.5 s in 10 s, of one and a half cores
	values, _ = d.after(10 * time.Second)
	same(t, "processor", values["cpu_pct"], 50.0)
}

// The tightest bound of all control groups counts; no bound is none.
func TestMemoryLimit(t *testing.T) {
	f := func(device string, want int64) {
		t.Helper()
		d := newDevice(t, device)
		got, ok := sense.New(sense.Options{Proc: filepath.Join(d.dir, "proc"), Sys: filepath.Join(d.dir, "sys")}).MemoryLimit()
		if got != want || ok != (want > 0) {
			t.Errorf("%s: got %d, %t, want %d", device, got, ok, want)
		}
	}
	f("container-v1", 256<<20)
	f("container-v2", 384<<20)
	f("car", 0)
	f("laptop", 0)
}

// Where there is nothing to read, nothing is known; where it goes away, too.
func TestNothing(t *testing.T) {
	d := newDevice(t, "car")
	d.after(0)
	for _, dir := range []string{"proc", "sys"} {
		if err := os.RemoveAll(filepath.Join(d.dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	values, _ := d.after(10 * time.Second)
	same(t, "gone", values, map[string]any{})
	d.after(10 * time.Second)
}

// A kernel that counts no pressure says zeros, which are not known, not calm.
func TestZeroPressure(t *testing.T) {
	d := newDevice(t, "car")
	for _, of := range []string{"cpu", "memory", "io"} {
		d.write("proc/pressure/"+of, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	}
	if values, _ := d.after(0); values["pressure_pct"] != nil {
		t.Errorf("got %v", values["pressure_pct"])
	}
}

// A burst of the processor is not a load; what lasts is.
func TestSmoothing(t *testing.T) {
	d := newDevice(t, "car")
	busy, idle := 1000, 9000
	ticks := func() { d.write("proc/stat", fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 0 0\n", busy, idle)) }
	ticks()
	d.after(0)
	var seen []float64
	for _, share := range []int{0, 0, 100, 0, 100, 100, 100, 100, 100, 100, 100, 100} {
		busy, idle = busy+10*share, idle+1000-10*share
		ticks()
		values, _ := d.after(10 * time.Second)
		seen = append(seen, values["cpu_pct"].(float64))
	}
	if burst := seen[2]; burst < 20 || burst > 40 {
		t.Errorf("a burst counts as %v", burst)
	}
	if lasting := seen[len(seen)-1]; lasting < 90 || lasting > 100 {
		t.Errorf("a lasting load counts as %v: %v", lasting, seen)
	}
}

// TestRun: once at once, again a second later for the processor, then now and then.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(t, "car")
		told := make(chan sense.Readings, 100)
		s := sense.New(sense.Options{Proc: d.dir + "/proc", Sys: d.dir + "/sys", Disk: d.dir, Told: func(r sense.Readings) { told <- r }})
		ctx, stop := context.WithTimeout(t.Context(), 62*time.Second)
		defer stop()
		begun := time.Now()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		close(told)
		var at []time.Duration
		for r := range told {
			at = append(at, r["battery_pct"].At.Sub(begun))
			if free, ok := r["disk_free_mb"].Value.(float64); !ok || free <= 0 {
				t.Errorf("disk: got %v", r["disk_free_mb"])
			}
		}
		same(t, "samples", at, []time.Duration{0, 1e9, 11e9, 21e9, 31e9, 41e9, 51e9, 61e9})
	})
}

// What a kernel writes is read without harm, whatever it is.
func FuzzSample(f *testing.F) {
	for _, tree := range []string{"car", "laptop", "container-v2", "container-v1"} {
		for _, file := range fuzzed {
			if text, err := os.ReadFile(filepath.Join("testdata", tree, file)); err == nil {
				f.Add(file, string(text))
			}
		}
	}
	dev := newDevice(f, "container-v2")
	f.Fuzz(func(t *testing.T, file, text string) {
		if !slices.Contains(fuzzed, file) {
			return
		}
		dev.t = t
		_ = os.MkdirAll(filepath.Dir(filepath.Join(dev.dir, file)), 0o700)
		before, _ := os.ReadFile(filepath.Join(dev.dir, file))
		dev.write(file, text)
		for range 2 {
			values, _ := dev.after(10 * time.Second)
			for name, low := range map[string]float64{"cpu_pct": 0, "mem_available_mb": 0, "pressure_pct": 0, "battery_pct": 0, "temperature_c": -60} {
				if v, known := values[name].(float64); known && !(v >= low && (v <= 150 || name == "mem_available_mb")) {
					t.Fatalf("%s is %v", name, v)
				}
			}
		}
		dev.write(file, string(before))
	})
}

// fuzzed are files that are written at random.
var fuzzed = []string{
	"proc/stat", "proc/meminfo", "proc/self/cgroup", "proc/net/route", "proc/net/ipv6_route", "proc/pressure/memory",
	"sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.stat",
	"sys/class/thermal/thermal_zone0/temp", "sys/class/power_supply/battery/capacity",
}

func BenchmarkSample(b *testing.B) {
	for _, tree := range []string{"car", "laptop"} {
		b.Run(tree, func(b *testing.B) {
			d := newDevice(b, tree)
			b.ReportAllocs()
			for b.Loop() {
				d.after(10 * time.Second)
			}
		})
	}
	b.Run("this machine", func(b *testing.B) {
		s := sense.New(sense.Options{Disk: "/"})
		for b.Loop() {
			s.Sample(b.Context(), time.Now())
		}
	})
}

// The host app outranks what was sensed until it expires or is withdrawn.
func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(t, "car")
		d.now = time.Now()
		var l sense.Latest
		l.Sensed(d.Sample(t.Context(), d.now))
		push := func(name string, v any, ttl time.Duration) {
			l.Push(map[string]sense.Pushed{name: {Value: v, TTL: ttl}}, time.Now())
		}
		check := func(name string, want any, host bool, change time.Duration) {
			t.Helper()
			known, until := l.At(time.Now())
			if got := known[name]; got.Value != want || got.Host() != host {
				t.Errorf("%s: got %+v, want %v", name, got, want)
			}
			if in := time.Until(until); in != change {
				t.Errorf("next change in %v, want %v", in, change)
			}
		}
		const sensed = 40 * time.Second
		check("battery_pct", 12.0, false, sensed)
		push("battery_pct", 55.0, 10*time.Second)
		push("network", "offline", 20*time.Second)
		check("battery_pct", 55.0, true, 10*time.Second)
		time.Sleep(10 * time.Second)
		check("battery_pct", 12.0, false, 10*time.Second)
		check("network", "offline", true, 10*time.Second)
		push("network", nil, 0)
		check("network", nil, false, 30*time.Second)
		time.Sleep(30 * time.Second)
		if known, _ := l.At(time.Now()); len(known) != 0 {
			t.Errorf("samples that stopped are still believed: %v", known)
		}
	})
}

// A device that slept has a wall clock that went on, and what was said expired.
func TestLatestSlept(t *testing.T) {
	var l sense.Latest
	now := time.Now()
	l.Push(map[string]sense.Pushed{"battery_pct": {Value: 55.0, TTL: time.Minute}}, now)
	woken := now.Round(0).Add(8 * time.Hour) // without the clock that stood still
	if known, _ := l.At(woken); len(known) != 0 {
		t.Errorf("got %v", known)
	}
	if known, _ := l.At(now); len(known) != 0 {
		t.Errorf("what expired came back: %v", maps.Collect(maps.All(known)))
	}
}
