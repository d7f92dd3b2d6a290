package metrics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent"
)

// TestText: names from outside may hold anything, and come out as one label.
func TestText(t *testing.T) {
	m := newMeter()
	for _, target := range []string{"cloud/a\"b\\c\nd", "cloud/\xff"} {
		m.Attempted(target, "ok")
	}
	m.Finished(&agent.Observation{Route: "local", Total: 90 * time.Second, CostUSD: 1e-7, Target: "cloud/first"})
	m.Finished(&agent.Observation{Route: "local", Total: time.Second})
	shows(t, m,
		`nearside_attempts_total{result="ok",target="cloud/a\"b\\c\nd"} 1`,
		"nearside_attempts_total{result=\"ok\",target=\"cloud/\uFFFD\"} 1",
		`nearside_cost_usd_total{target="cloud/first"} 1e-07`,
		`nearside_request_duration_seconds_bucket{route="local",le="0.5"} 0`,
		`nearside_request_duration_seconds_bucket{route="local",le="1"} 1`,
		`nearside_request_duration_seconds_bucket{route="local",le="60"} 1`,
		`nearside_request_duration_seconds_bucket{route="local",le="+Inf"} 2`,
		`nearside_request_duration_seconds_sum{route="local"} 91`,
		`nearside_request_duration_seconds_count{route="local"} 2`,
		"# TYPE nearside_request_duration_seconds histogram", "# TYPE go_gc_duration_seconds summary",
		"# TYPE process_cpu_seconds_total counter", "# TYPE process_start_time_seconds gauge",
	)
}

// TestPlain: every line is a series once, with its family's help and kind before
// it, and the runtime and the process are among them.
func TestPlain(t *testing.T) {
	text, kinds, seen := scrape(newMeter()), map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if words[0] == "#" {
			kinds[words[2]] = words[1] == "TYPE"
			continue
		}
		series := line[:strings.LastIndex(line, " ")]
		name, _, _ := strings.Cut(series, "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(name, suffix); kinds[base] {
				name = base
			}
		}
		if seen[series] || !kinds[name] {
			t.Errorf("%q is there twice, or before its kind", series)
		}
		seen[series] = true
	}
	for _, name := range []string{
		"go_goroutines", "go_threads", `go_gc_duration_seconds{quantile="0.75"}`, "go_gc_duration_seconds_count", "go_memstats_heap_sys_bytes", "go_memstats_mallocs_total",
		"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes", "process_virtual_memory_max_bytes",
		"process_start_time_seconds", "process_network_receive_bytes_total",
	} {
		if !seen[name] {
			t.Errorf("no %s in:\n%s", name, text)
		}
	}
}

// TestTogether counts and scrapes at once; nothing is lost.
func TestTogether(t *testing.T) {
	m := newMeter()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 500 {
				m.Finished(&agent.Observation{Service: fmt.Sprint(i % 2), Route: "local", Reason: "near", Status: 200, Total: time.Millisecond})
			}
			scrape(m)
		})
	}
	all.Wait()
	shows(t, m,
		`nearside_requests_total{reason="near",route="local",service="0",status="2xx"} 2000`,
		`nearside_requests_total{reason="near",route="local",service="1",status="2xx"} 2000`,
		`nearside_request_duration_seconds_count{route="local"} 4000`,
	)
}
