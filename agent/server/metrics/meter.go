package metrics

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"nearside/agent"
	"nearside/agent/server"
)

// Sources are read at every scrape. None may block for long.
type Sources struct {
	Status func() server.Status
	Counts func() server.Counts
}

// Meter counts finished requests; it is an agent's observer. Its methods may
// be called from any goroutine.
type Meter struct {
	registry *prometheus.Registry
	routes   map[string]route
	callers  atomic.Pointer[[]string]

	requests, callersAsked, attempts, lookups *family
	tokens, cost, degraded, broken            *family
}

// route is how long the answers of one route took.
type route struct{ total, first prometheus.Observer }

// routes are those a request can end on.
var routes = []string{"local", "cloud", "cache", "stale", "default", "queue", "none"}

// Buckets in seconds: a kept answer takes less than a millisecond, a model on
// a small device a minute.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// New makes a meter.
func New(src Sources) *Meter {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &scrape{src})
	m := &Meter{
		registry: r, routes: map[string]route{},
		requests:     newFamily(r, "nearside_requests_total", "Finished requests.", "service", "route", "reason", "status"),
		callersAsked: newFamily(r, "nearside_caller_requests_total", "Finished requests by the caller's name in the config.", "caller", "status"),
		attempts:     newFamily(r, "nearside_attempts_total", "Calls to targets, by how they ended.", "target", "result"),
		lookups:      newFamily(r, "nearside_cache_lookups_total", "Requests by what the cache of answers gave.", "result"),
		tokens:       newFamily(r, "nearside_tokens_total", "Tokens of answers, as the targets counted them.", "target", "direction"),
		cost:         newFamily(r, "nearside_cost_usd_total", "What answers cost in USD, by the prices of the config.", "target"),
		degraded:     newFamily(r, "nearside_degraded_answers_total", "Answers that were stale, a default or unverified.", "reason"),
		broken:       newFamily(r, "nearside_broken_streams_total", "Streams that broke off after their headers.", "target"),
	}
	m.addRoutes()
	m.SetCallers(nil)
	return m
}

// SetCallers tells the names of the config; any other caller is counted as
// other. It may be called at any time.
func (m *Meter) SetCallers(names []string) { m.callers.Store(&names) }

func (m *Meter) addRoutes() {
	total := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "nearside_request_duration_seconds", Help: "From the request to the end of its answer.", Buckets: buckets,
	}, []string{"route"})
	first := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "nearside_time_to_first_token_seconds", Help: "From the request to the beginning of a streamed answer.", Buckets: buckets,
	}, []string{"route"})
	m.registry.MustRegister(total, first)
	for _, name := range routes {
		m.routes[name] = route{total.WithLabelValues(name), first.WithLabelValues(name)}
	}
}

// Attempted counts a call to a target. It makes the meter an agent's observer.
func (m *Meter) Attempted(target, result string) {
	m.attempts.at(labels{target, resultClass(result)}).Inc()
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
	m.requests.at(labels{o.Service, o.Route, o.Reason, status}).Inc()
	m.callersAsked.at(labels{m.caller(o.Caller), status}).Inc()
	if o.Cache != "" {
		m.lookups.at(labels{o.Cache}).Inc()
	}
	if r, ok := m.routes[o.Route]; ok {
		r.total.Observe(o.Total.Seconds())
		if o.Streamed {
			r.first.Observe(o.First.Seconds())
		}
	}
	m.answered(o)
}

// answered counts what is known of an answer alone.
func (m *Meter) answered(o *agent.Observation) {
	if o.TokensIn > 0 || o.TokensOut > 0 {
		m.tokens.at(labels{o.Target, "in"}).Add(float64(max(0, o.TokensIn)))
		m.tokens.at(labels{o.Target, "out"}).Add(float64(max(0, o.TokensOut)))
	}
	if o.CostUSD > 0 {
		m.cost.at(labels{o.Target}).Add(o.CostUSD)
	}
	if o.Degraded {
		m.degraded.at(labels{o.Reason}).Inc()
	}
	if o.Broken {
		m.broken.at(labels{o.Target}).Inc()
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
	families, err := m.registry.Gather()
	var text bytes.Buffer
	for _, f := range families {
		if err == nil {
			_, err = expfmt.MetricFamilyToText(&text, f)
		}
	}
	if err != nil {
		http.Error(w, "the metrics could not be gathered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	_, _ = w.Write(text.Bytes())
}
