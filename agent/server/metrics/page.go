package metrics

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// page is one scrape in Prometheus' text format 0.0.4, by the families' names.
// It is written here, since the library for it weighs 2 MB with the
// descriptions of a wire that nobody speaks to us. Labels are names and values
// in turn.
type page map[string]*told

// told is a family as it is shown: its series in lines, by their labels.
type told struct {
	kind, help string
	series     map[string]*series
}

// series is one series, or the several of a histogram.
type series struct {
	name, labels string
	text         strings.Builder
}

func (p page) gauge(name, help string, v float64, labels ...string) {
	p.at("gauge", name, help, labels).line("", v)
}

func (p page) counter(name, help string, v float64, labels ...string) {
	p.at("counter", name, help, labels).line("", v)
}

// states is one series per state, 1 for the one that is.
func (p page) states(name, help string, all []string, is string, labels ...string) {
	for _, state := range all {
		p.gauge(name, help, truth(state == is), append([]string{"state", state}, labels...)...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// at begins a series; one with the same labels is begun anew.
func (p page) at(kind, name, help string, labels []string) *series {
	f := p[name]
	if f == nil {
		f = &told{kind: kind, help: help, series: map[string]*series{}}
		p[name] = f
	}
	s := &series{name: name, labels: ordered(labels)}
	f.series[s.labels] = s
	return s
}

// line adds a line to a series, with labels behind its own.
func (s *series) line(suffix string, v float64, labels ...string) {
	all, more := s.labels, ordered(labels)
	if all != "" && more != "" {
		all += ","
	}
	s.text.WriteString(s.name + suffix)
	if all += more; all != "" {
		s.text.WriteString("{" + all + "}")
	}
	s.text.WriteString(" " + number(v) + "\n")
}

// ordered writes labels by their names.
func ordered(labels []string) string {
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escaper.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD"))+`"`)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// text is the page, its families and their series in order.
func (p page) text() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		f := p[name]
		b.WriteString("# HELP " + name + " " + f.help + "\n# TYPE " + name + " " + f.kind + "\n")
		for _, key := range slices.Sorted(maps.Keys(f.series)) {
			b.WriteString(f.series[key].text.String())
		}
	}
	return b.String()
}
