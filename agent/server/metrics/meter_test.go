package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/learn"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/standing"
	"nearside/agent/server"
	"nearside/agent/server/metrics"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
)

func newMeter() *metrics.Meter {
	open := "open"
	return metrics.New(metrics.Sources{
		Status: func() status.Status {
			return status.Status{
				Ready: true, Connectivity: status.Connectivity{State: "offline"}, Policy: status.Policy{Version: 3},
				Targets: []status.Target{{Name: "cloud/first", Breaker: &open, InFlight: 2}},
				Engine:  status.Engine{State: "ready", Starts: 4, Crashes: 1},
				Store:   status.Store{Cache: status.File{Rows: 7, Dropped: 5}},
				Calibration: learn.Report{
					Labels: map[string]int64{"feedback": 3}, Dropped: 1, Refits: 2, Alarms: 1,
					Audits: audit.Report{Done: 4, Failed: 5, Skipped: map[string]int64{"metered": 6}}, Targets: []standing.Known{{Name: "local/small", State: standing.Doubted, Text: &standing.Text{InForce: true}}},
				},
				Remote: &steering.Link{
					MQTT: &steering.Broker{Connected: true, Untrusted: 13, Dropped: 8}, Outbox: steering.Outbox{Notes: 9, Dropped: 10}, RolledBack: 11,
					Refusals: map[string]int64{"unsigned": 12}, Clock: &steering.Clock{State: "floor"},
				},
				Health:  []status.Condition{{Severity: "warn"}},
				Signals: map[string]status.Signal{"battery_pct": {Value: 25.0}, "metered": {Value: true}, "temperature_c": {}},
			}
		},
		Counts: func() server.Counts { return server.Counts{InFlight: 6} },
	})
}

func scrape(m *metrics.Meter) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, nil)
	return w.Body.String()
}

// shows wants the lines in what a scrape of the meter gives.
func shows(t *testing.T, m *metrics.Meter, lines ...string) {
	t.Helper()
	text := scrape(m)
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %q in:\n%s", line, text)
		}
	}
}

func TestFinished(t *testing.T) {
	m := newMeter()
	m.SetCallers([]string{"dashboard"})
	m.Finished(&agent.Observation{
		Caller: "dashboard", Service: "chat", Route: "cloud", Target: "cloud/first", Reason: "local_unsure", Cache: "miss", Status: 200,
		Streamed: true, Broken: true, First: 20 * time.Millisecond, Total: 2 * time.Second, TokensIn: 3, TokensOut: 5, CostUSD: .25,
	})
	m.Finished(&agent.Observation{Caller: "uid:7", Service: "chat", Route: "stale", Reason: "stale_on_error", Cache: "stale", Status: 200, Degraded: true})
	m.Finished(&agent.Observation{Caller: "uid:7", Service: "chat", Route: "none", Reason: "caller_gone"})
	shows(t, m,
		`nearside_requests_total{reason="local_unsure",route="cloud",service="chat",status="2xx"} 1`,
		`nearside_requests_total{reason="caller_gone",route="none",service="chat",status="gone"} 1`,
		`nearside_caller_requests_total{caller="dashboard",status="2xx"} 1`,
		`nearside_caller_requests_total{caller="other",status="2xx"} 1`,
		`nearside_cache_lookups_total{result="stale"} 1`,
		`nearside_tokens_total{direction="out",target="cloud/first"} 5`,
		`nearside_cost_usd_total{target="cloud/first"} 0.25`,
		`nearside_degraded_answers_total{reason="stale_on_error"} 1`,
		`nearside_broken_streams_total{target="cloud/first"} 1`,
		`nearside_request_duration_seconds_bucket{route="cloud",le="1"} 0`,
		`nearside_request_duration_seconds_bucket{route="cloud",le="2.5"} 1`,
		`nearside_time_to_first_token_seconds_bucket{route="cloud",le="0.025"} 1`,
		`nearside_time_to_first_token_seconds_count{route="stale"} 0`,
	)
}

func TestAttempted(t *testing.T) {
	m := newMeter()
	for _, result := range []string{"ok", "status_418", "status_500", "status_502", "status_429"} {
		m.Attempted("cloud/first", result)
	}
	shows(t, m,
		`nearside_attempts_total{result="ok",target="cloud/first"} 1`,
		`nearside_attempts_total{result="status_4xx",target="cloud/first"} 1`,
		`nearside_attempts_total{result="status_5xx",target="cloud/first"} 2`,
		`nearside_attempts_total{result="status_429",target="cloud/first"} 1`,
	)
}

// TestMany counts many series at once, far more than are remembered as the latest.
func TestMany(t *testing.T) {
	m := newMeter()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 900 {
				m.Attempted(fmt.Sprint("cloud/", (i*(worker+1))%9), []string{"ok", "broken"}[i%2])
			}
		})
	}
	all.Wait()
	page, sum := scrape(m), 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "nearside_attempts_total{") {
			n, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndex(line, " "):]))
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum != 4*900 {
		t.Errorf("counted %d of %d:\n%s", sum, 4*900, page)
	}
	shows(t, m, `nearside_attempts_total{result="ok",target="cloud/0"} 300`)
}

func TestScrape(t *testing.T) {
	shows(t, newMeter(),
		`nearside_connectivity{state="offline"} 1`,
		`nearside_connectivity{state="online"} 0`,
		`nearside_target_breaker{state="open",target="cloud/first"} 1`,
		`nearside_target_breaker{state="closed",target="cloud/first"} 0`,
		`nearside_target_in_flight{target="cloud/first"} 2`,
		`nearside_requests_in_flight 6`,
		`nearside_ready 1`,
		`nearside_policy_version 3`,
		`nearside_engine{state="ready"} 1`,
		`nearside_engine{state="short"} 0`,
		`nearside_engine_starts_total 4`,
		`nearside_engine_crashes_total 1`,
		`nearside_store_rows{file="cache"} 7`,
		`nearside_store_dropped_total{file="cache"} 5`,
		`nearside_labels{source="feedback"} 3`,
		`nearside_labels_dropped_total 1`,
		`nearside_calibration_text{target="local/small"} 1`, `nearside_calibration_refits_total 2`,
		`nearside_calibration_alarms_total 1`,
		`nearside_calibration{state="doubted",target="local/small"} 1`,
		`nearside_calibration{state="measured",target="local/small"} 0`,
		`nearside_audits_total{result="skipped_metered"} 6`,
		`nearside_health_conditions{severity="warn"} 1`,
		`nearside_health_conditions{severity="fail"} 0`,
		`nearside_policy_refusals_total{reason="unsigned"} 12`,
		`nearside_policy_rollbacks_total 11`,
		`nearside_remote_connected 1`,
		`nearside_remote_messages_dropped_total 8`,
		`nearside_remote_untrusted_total 13`,
		`nearside_remote_outbox_notes 9`,
		`nearside_remote_dropped_total 10`,
		`nearside_clock{state="floor"} 1`,
		`nearside_clock{state="trusted"} 0`,
		`nearside_device_battery_ratio 0.25`,
		`nearside_device_metered 1`,
	)
}

// TestBounded has names come and go, as policies and configs do.
func TestBounded(t *testing.T) {
	m := newMeter()
	const names = 5000
	for i := range names {
		m.Finished(&agent.Observation{Service: "chat", Route: "local", Reason: fmt.Sprintf("rule_%d", i), Status: 200})
	}
	if n := strings.Count(scrape(m), "nearside_requests_total{"); n > 600 {
		t.Errorf("got %d series of requests, want a few hundred", n)
	}
	shows(t, m, fmt.Sprintf(`nearside_requests_total{reason="other",route="other",service="other",status="other"} %d`, names-512))
}

func TestNoAllocation(t *testing.T) {
	m := newMeter()
	o := &agent.Observation{
		Caller: "uid:7", Service: "chat", Route: "cloud", Target: "cloud/first", Reason: "local_unsure", Cache: "miss",
		Status: 200, Streamed: true, TokensIn: 3, TokensOut: 5, CostUSD: .25, Degraded: true,
	}
	if n := testing.AllocsPerRun(100, func() { m.Finished(o); m.Attempted("cloud/first", "status_503") }); n > 0 {
		t.Errorf("%v allocations per request, want none", n)
	}
}

func BenchmarkFinished(b *testing.B) {
	m := newMeter()
	o := &agent.Observation{Caller: "uid:7", Service: "chat", Route: "cloud", Target: "cloud/first", Reason: "local_unsure", Cache: "miss", Status: 200, TokensIn: 3, TokensOut: 5}
	b.ReportAllocs()
	for b.Loop() {
		m.Attempted("cloud/first", "ok")
		m.Finished(o)
	}
}
