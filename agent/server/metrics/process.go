package metrics

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	runtimes "runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// goes are figures of the Go runtime under the names that dashboards know. Each
// is the sum of some of its metrics.
var goes = []struct{ kind, name, help, of string }{
	{"gauge", "go_goroutines", "Goroutines that there are.", "/sched/goroutines:goroutines"},
	{"gauge", "go_sched_gomaxprocs_threads", "Threads that may run Go code at once.", "/sched/gomaxprocs:threads"},
	{"gauge", "go_gc_gogc_percent", "How much the heap may grow until the next collection.", "/gc/gogc:percent"},
	{"gauge", "go_gc_gomemlimit_bytes", "Memory that the runtime tries to stay within.", "/gc/gomemlimit:bytes"},
	{"gauge", "go_memstats_alloc_bytes", "Bytes of objects in the heap.", "/memory/classes/heap/objects:bytes"},
	{"counter", "go_memstats_alloc_bytes_total", "Bytes of objects that were allocated so far.", "/gc/heap/allocs:bytes"},
	{"gauge", "go_memstats_sys_bytes", "Bytes taken from the system.", "/memory/classes/total:bytes"},
	{"counter", "go_memstats_mallocs_total", "Objects that were allocated so far.", "/gc/heap/allocs:objects /gc/heap/tiny/allocs:objects"},
	{"counter", "go_memstats_frees_total", "Objects that were freed so far.", "/gc/heap/frees:objects /gc/heap/tiny/allocs:objects"},
	{"gauge", "go_memstats_heap_alloc_bytes", "Bytes of objects in the heap.", "/memory/classes/heap/objects:bytes"},
	{"gauge", "go_memstats_heap_sys_bytes", "Bytes of the heap, in use or not.", "/memory/classes/heap/objects:bytes /memory/classes/heap/unused:bytes /memory/classes/heap/released:bytes /memory/classes/heap/free:bytes"},
	{"gauge", "go_memstats_heap_idle_bytes", "Bytes of the heap that wait to be used.", "/memory/classes/heap/released:bytes /memory/classes/heap/free:bytes"},
	{"gauge", "go_memstats_heap_inuse_bytes", "Bytes of the heap's spans in use.", "/memory/classes/heap/objects:bytes /memory/classes/heap/unused:bytes"},
	{"gauge", "go_memstats_heap_released_bytes", "Bytes of the heap given back to the system.", "/memory/classes/heap/released:bytes"},
	{"gauge", "go_memstats_heap_objects", "Objects in the heap.", "/gc/heap/objects:objects"},
	{"gauge", "go_memstats_stack_inuse_bytes", "Bytes of goroutines' stacks.", "/memory/classes/heap/stacks:bytes"},
	{"gauge", "go_memstats_stack_sys_bytes", "Bytes of all stacks.", "/memory/classes/heap/stacks:bytes /memory/classes/os-stacks:bytes"},
	{"gauge", "go_memstats_mspan_inuse_bytes", "Bytes of mspans in use.", "/memory/classes/metadata/mspan/inuse:bytes"},
	{"gauge", "go_memstats_mspan_sys_bytes", "Bytes of all mspans.", "/memory/classes/metadata/mspan/inuse:bytes /memory/classes/metadata/mspan/free:bytes"},
	{"gauge", "go_memstats_mcache_inuse_bytes", "Bytes of mcaches in use.", "/memory/classes/metadata/mcache/inuse:bytes"},
	{"gauge", "go_memstats_mcache_sys_bytes", "Bytes of all mcaches.", "/memory/classes/metadata/mcache/inuse:bytes /memory/classes/metadata/mcache/free:bytes"},
	{"gauge", "go_memstats_buck_hash_sys_bytes", "Bytes of the profiler's tables.", "/memory/classes/profiling/buckets:bytes"},
	{"gauge", "go_memstats_gc_sys_bytes", "Bytes of the collector's own.", "/memory/classes/metadata/other:bytes"},
	{"gauge", "go_memstats_other_sys_bytes", "Bytes of all else.", "/memory/classes/other:bytes"},
	{"gauge", "go_memstats_next_gc_bytes", "Bytes in the heap at which the next collection ends.", "/gc/heap/goal:bytes"},
}

// golang takes down what the Go runtime tells of itself.
func (p page) golang() {
	p.gauge("go_info", "The version of Go; the value is 1.", 1, "version", runtime.Version())
	threads, _ := runtime.ThreadCreateProfile(nil)
	p.gauge("go_threads", "Threads that were made.", float64(threads))
	for _, g := range goes {
		v := 0.0
		for name := range strings.FieldsSeq(g.of) {
			v += reading(name)
		}
		p.at(g.kind, g.name, g.help, nil).line("", v)
	}
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	const pauses = "go_gc_duration_seconds"
	s := p.at("summary", pauses, "How long collections stopped the world.", nil)
	for i, pause := range stats.PauseQuantiles {
		s.line("", pause.Seconds(), "quantile", number(float64(i)/4))
	}
	s.line("_sum", stats.PauseTotal.Seconds())
	s.line("_count", float64(stats.NumGC))
	p.gauge("go_memstats_last_gc_time_seconds", "When the last collection ended.", float64(stats.LastGC.UnixNano())/1e9)
}

func reading(name string) float64 {
	one := []runtimes.Sample{{Name: name}}
	runtimes.Read(one)
	if one[0].Value.Kind() != runtimes.KindUint64 {
		return 0
	}
	return float64(one[0].Value.Uint64())
}

// ticks is the unit of times in /proc: a hundredth of a second on all that
// Linux runs on.
const ticks = 100

// process takes down what the system tells of this process. What it does not
// tell has no series.
func (p page) process() {
	stat, _ := os.ReadFile("/proc/self/stat")
	if end := bytes.LastIndexByte(stat, ')'); end > 0 { // behind the name, which may have blanks in it
		p.stat(strings.Fields(string(stat[end+1:])))
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.gauge("process_open_fds", "Open file descriptors.", float64(len(open)))
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		p.gauge("process_max_fds", "Most file descriptors that may be open.", float64(limit.Cur))
	}
	if syscall.Getrlimit(syscall.RLIMIT_AS, &limit) == nil {
		p.gauge("process_virtual_memory_max_bytes", "Most address space that there may be.", float64(limit.Cur))
	}
	p.octets()
}

// stat reads the fields of /proc/self/stat from the third on (man 5 proc).
func (p page) stat(fields []string) {
	const first, utime, stime, start, vsize, rss = 3, 14, 15, 22, 23, 24
	if len(fields) <= rss-first {
		return
	}
	at := func(field int) float64 { v, _ := strconv.ParseFloat(fields[field-first], 64); return v }
	p.counter("process_cpu_seconds_total", "Processor time of the process.", (at(utime)+at(stime))/ticks)
	p.gauge("process_virtual_memory_bytes", "Address space in use.", at(vsize))
	p.gauge("process_resident_memory_bytes", "Resident memory.", at(rss)*float64(os.Getpagesize()))
	machine, _ := os.ReadFile("/proc/stat")
	_, boot, _ := strings.Cut(string(machine), "\nbtime ")
	boot, _, _ = strings.Cut(boot, "\n")
	if booted, err := strconv.ParseFloat(boot, 64); err == nil {
		p.gauge("process_start_time_seconds", "When the process began.", booted+at(start)/ticks)
	}
}

// octets takes down the traffic of the network the process is in: a line of
// names, and a line of figures.
func (p page) octets() {
	const line = "\nIpExt: "
	text, _ := os.ReadFile("/proc/self/net/netstat")
	_, names, _ := strings.Cut("\n"+string(text), line)
	names, figures, _ := strings.Cut(names, line)
	figures, _, _ = strings.Cut(figures, "\n")
	columns, values := strings.Fields(names), strings.Fields(figures)
	for i := range min(len(columns), len(values)) {
		v, _ := strconv.ParseFloat(values[i], 64)
		switch columns[i] {
		case "InOctets":
			p.counter("process_network_receive_bytes_total", "Bytes that came in over the network that the process is in.", v)
		case "OutOctets":
			p.counter("process_network_transmit_bytes_total", "Bytes that went out over the network that the process is in.", v)
		}
	}
}
