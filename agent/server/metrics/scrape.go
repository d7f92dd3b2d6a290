package metrics

import (
	"runtime"
	"strconv"

	"nearside/agent/server/feed"
	"nearside/agent/server/status"
)

// read takes down the daemon's status, reading every source once.
func (p page) read(s *Sources) {
	st := s.Status()
	counts := s.Counts()
	p.gauge("nearside_build_info", "The program that runs; the value is 1.", 1, "version", st.Version, "commit", st.Commit, "go_version", runtime.Version())
	p.gauge("nearside_requests_in_flight", "Requests that are being answered.", float64(counts.InFlight))
	for reason, n := range counts.Refused {
		p.counter("nearside_refused_total", "Requests that were refused before they were looked at.", float64(n), "reason", reason)
	}
	p.counter("nearside_connections_crowded_total", "Connections that came while all places were taken.", float64(counts.Crowded))
	p.gauge("nearside_ready", "1 while some route can answer.", truth(st.Ready))
	p.states("nearside_connectivity", "1 for what is known of the way out, 0 for what is not so.", networks, st.Connectivity.State)
	p.policy(&st.Policy)
	for i := range st.Targets {
		p.target(&st.Targets[i])
	}
	p.engine(&st.Engine)
	p.file("queue", &st.Store.Queue)
	p.file("cache", &st.Store.Cache)
	p.learning(&st.Calibration)
	p.health(st.Health)
	p.steered(st.Remote)
	p.device(st.Signals)
	p.feeds(counts.Feeds)
}

var (
	networks = []string{"unknown", "online", "metered", "portal", "degraded", "offline"}
	breakers = []string{"closed", "open", "half_open"}
	engines  = []string{"none", "stopped", "starting", "ready", "backoff", "quarantined", "broken", "short", "external"}
)

func (p page) policy(s *status.Policy) {
	p.gauge("nearside_policy_version", "Version of the policy in force.", float64(s.Version))
	p.gauge("nearside_policy_info", "The policy in force; the value is 1.", 1, "version", strconv.Itoa(s.Version), "digest", s.Digest, "source", s.Source, "state", s.State)
}

func (p page) target(t *status.Target) {
	p.gauge("nearside_target_usable", "1 while the target may be called.", truth(t.Usable), "target", t.Name)
	p.gauge("nearside_target_in_flight", "Calls to the target that are not over.", float64(t.InFlight), "target", t.Name)
	if t.ErrorRate != nil {
		p.gauge("nearside_target_error_ratio", "Share of the target's calls of the last half minute that failed.", *t.ErrorRate, "target", t.Name)
	}
	if t.Breaker != nil {
		p.states("nearside_target_breaker", "1 for the state the target's breaker is in, 0 for the others.", breakers, *t.Breaker, "target", t.Name)
	}
}

func (p page) engine(e *status.Engine) {
	p.states("nearside_engine", "1 for the state the local engine is in, 0 for the others.", engines, e.State)
	p.counter("nearside_engine_starts_total", "Processes of the local engine that were started.", float64(e.Starts))
	p.counter("nearside_engine_crashes_total", "Processes of the local engine that ended by themselves.", float64(e.Crashes))
}

func (p page) file(name string, f *status.File) {
	p.gauge("nearside_store_rows", "Entries in a file of the store.", float64(f.Rows), "file", name)
	p.gauge("nearside_store_bytes", "Bytes in use in a file of the store.", float64(f.Bytes), "file", name)
	p.gauge("nearside_store_quota_bytes", "Most bytes that a file of the store may use.", float64(f.Quota), "file", name)
	p.counter("nearside_store_dropped_total", "Entries that could not be kept.", float64(f.Dropped), "file", name)
}

// health counts the conditions of each severity, also where there is none, so
// that an alert has something to look at.
func (p page) health(list []status.Condition) {
	for _, severity := range []string{"info", "warn", "fail"} {
		n := 0
		for _, c := range list {
			if c.Severity == severity {
				n++
			}
		}
		p.gauge("nearside_health_conditions", "Conditions of the daemon's health, by severity.", float64(n), "severity", severity)
	}
}

func (p page) feeds(all map[string]feed.Stats) {
	const let = "Listeners that were turned away (full) or let go (slow)."
	for name, f := range all {
		p.gauge("nearside_listeners", "Those who listen to events or logs.", float64(f.Listeners), "feed", name)
		p.counter("nearside_listeners_refused_total", let, float64(f.Full), "feed", name, "reason", "full")
		p.counter("nearside_listeners_refused_total", let, float64(f.Slow), "feed", name, "reason", "slow")
	}
}
