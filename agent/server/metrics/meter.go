package metrics

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"nearside/agent"
	"nearside/agent/server"
	"nearside/agent/server/status"
)

// Sources are read at every scrape. None may block for long.
type Sources struct {
	Status func() status.Status
	Counts func() server.Counts
}

// Meter counts finished requests; it is an agent's observer. Its methods may
// be called from any goroutine.
type Meter struct {
	sources Sources
	routes  [len(routes)]route
	callers atomic.Pointer[[]string]

	requests, callersAsked, attempts, lookups family
	tokens, cost, degraded, broken            family
}

// route is how long the answers of one route took.
type route struct{ total, first durations }

// routes are those a request can end on.
var routes = [...]string{"local", "cloud", "cache", "stale", "default", "queue", "none"}

// New makes a meter.
func New(src Sources) *Meter {
	m := &Meter{
		sources:      src,
		requests:     newFamily("nearside_requests_total", "Finished requests.", "service", "route", "reason", "status"),
		callersAsked: newFamily("nearside_caller_requests_total", "Finished requests by the caller's name in the config.", "caller", "status"),
		attempts:     newFamily("nearside_attempts_total", "Calls to targets, by how they ended.", "target", "result"),
		lookups:      newFamily("nearside_cache_lookups_total", "Requests by what the cache of answers gave.", "result"),
		tokens:       newFamily("nearside_tokens_total", "Tokens of answers, as the targets counted them.", "target", "direction"),
		cost:         newFamily("nearside_cost_usd_total", "What answers cost in USD, by the prices of the config.", "target"),
		degraded:     newFamily("nearside_degraded_answers_total", "Answers that were stale, a default or unverified.", "reason"),
		broken:       newFamily("nearside_broken_streams_total", "Streams that broke off after their headers.", "target"),
	}
	m.SetCallers(nil)
	return m
}

// SetCallers tells the names of the config; any other caller is counted as
// other. It may be called at any time.
func (m *Meter) SetCallers(names []string) { m.callers.Store(&names) }

// Attempted counts a call to a target. It makes the meter an agent's observer.
func (m *Meter) Attempted(target, result string) {
	m.attempts.at(labels{target, resultClass(result)}).inc()
}

// resultClass bounds what a target can make of its status.
func resultClass(result string) string {
	switch {
	case len(result) != len("status_500") || !strings.HasPrefix(result, "status_"):
		return result
	case result == "status_429", result == "status_401", result == "status_503":
		return result
	}
	return result[:len("status_5")] + "xx"
}

// Finished counts a request that is over. It makes the meter an agent's
// observer.
func (m *Meter) Finished(o *agent.Observation) {
	status := statusClass(o.Status)
	m.requests.at(labels{o.Service, o.Route, o.Reason, status}).inc()
	m.callersAsked.at(labels{m.caller(o.Caller), status}).inc()
	if o.Cache != "" {
		m.lookups.at(labels{o.Cache}).inc()
	}
	if i := slices.Index(routes[:], o.Route); i >= 0 {
		r := &m.routes[i]
		r.total.observe(o.Total.Seconds())
		if o.Streamed {
			r.first.observe(o.First.Seconds())
		}
	}
	m.answered(o)
}

// answered counts what is known of an answer alone.
func (m *Meter) answered(o *agent.Observation) {
	if o.TokensIn > 0 || o.TokensOut > 0 {
		m.tokens.at(labels{o.Target, "in"}).add(float64(max(0, o.TokensIn)))
		m.tokens.at(labels{o.Target, "out"}).add(float64(max(0, o.TokensOut)))
	}
	if o.CostUSD > 0 {
		m.cost.at(labels{o.Target}).add(o.CostUSD)
	}
	if o.Degraded {
		m.degraded.at(labels{o.Reason}).inc()
	}
	if o.Broken {
		m.broken.at(labels{o.Target}).inc()
	}
}

func (m *Meter) caller(name string) string {
	if slices.Contains(*m.callers.Load(), name) {
		return name
	}
	return other
}

func statusClass(status int) string {
	switch {
	case status == 0:
		return "gone" // the caller went away
	case status < 300:
		return "2xx"
	case status < 500:
		return "4xx"
	}
	return "5xx"
}

// ServeHTTP answers a scrape in the text format 0.0.4.
func (m *Meter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p := page{}
	for _, f := range []*family{&m.requests, &m.callersAsked, &m.attempts, &m.lookups, &m.tokens, &m.cost, &m.degraded, &m.broken} {
		f.show(p)
	}
	for i, name := range routes {
		r := &m.routes[i]
		r.total.show(p, "nearside_request_duration_seconds", "From the request to the end of its answer.", "route", name)
		r.first.show(p, "nearside_time_to_first_token_seconds", "From the request to the beginning of a streamed answer.", "route", name)
	}
	p.read(&m.sources)
	p.golang()
	p.process()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = io.WriteString(w, p.text())
}
