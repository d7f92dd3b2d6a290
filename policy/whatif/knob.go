package whatif

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"nearside/policy"
)

// knob is one value that might be another: one of its options, or a number that
// can be turned.
type knob struct {
	field   string
	from    any      // nil: not known
	name    string   // for a person; what the option or the number is follows
	options []option // in the order in which they are told
	points  []point  // of a number, the least first
	start   float64  // of a number: where it is, or is taken to be
	unit    float64  // of a number: the least difference that counts; 0: as [knob.step] has it
}

// option is a value and the word for it.
type option struct {
	to   any
	word string
}

// knobs are the values of the case that might matter, those first that a person
// can do something about. The target goes first as things are.
func (c *Case) knobs(first string) []knob {
	tests := testsOf(c.Doc)
	all := []knob{c.network()}
	for _, name := range policy.SignalNames() {
		if name != "network" {
			all = append(all, c.signal(name, tests[name]))
		}
	}
	all = append(all, c.clock(tests[timeField]))
	all = append(all, c.dwells()...)
	all = append(all, c.again()...)
	all = append(all, c.wishes(tests)...)
	all = append(all, c.figures(first)...)
	all = append(all, c.estimates()...)
	return append(all, c.sizes(tests)...)
}

// testsOf lists the comparisons of all rules by their field.
func testsOf(d *policy.Document) map[string][]*policy.Condition {
	tests := map[string][]*policy.Condition{}
	add := func(c *policy.Condition) {
		field := c.Field
		if c.Time != nil {
			field = timeField
		}
		tests[field] = append(tests[field], c)
	}
	for i := range d.Rules {
		d.Rules[i].When.Leaves(add)
		if d.Rules[i].Until != nil {
			d.Rules[i].Until.Leaves(add)
		}
	}
	return tests
}

// network goes to every state but unknown, which nobody can bring about.
func (c *Case) network() knob {
	k := knob{field: "network", from: c.Signals.Network, name: "the network were "}
	for _, state := range []string{"online", "offline", "metered", "degraded", "portal"} {
		k.add(state, state)
	}
	return k
}

// add takes in an option unless it is how things are.
func (k *knob) add(to any, word string) {
	if to != k.from {
		k.options = append(k.options, option{to, word})
	}
}

// signal is a number or a flag of the device.
func (c *Case) signal(name string, tests []*policy.Condition) knob {
	k := knob{field: name, name: name + " were ", from: policy.Value(name, &c.Ask, &c.Signals)}
	if policy.FieldKind(name) == policy.KindFlag {
		k.add(true, "true")
		k.add(false, "false")
		return k
	}
	low, high, _ := policy.Range(name)
	if strings.HasSuffix(name, "_mb") {
		high, k.unit = 1<<16, 1
	}
	k.turn(tests, low, high)
	return k
}

// again has each target that cannot be asked asked again.
func (c *Case) again() []knob {
	var all []knob
	for _, t := range c.Signals.Targets {
		if !t.Usable {
			all = append(all, knob{field: targets + "." + t.Name + ".usable", from: false, name: t.Name, options: []option{{true, " could be asked again"}}})
		}
	}
	return all
}

// wishes are what the caller said, and what the ask was taken for.
func (c *Case) wishes(tests map[string][]*policy.Condition) []knob {
	privacy := knob{field: "privacy", from: c.Ask.Privacy, name: "the ask were "}
	privacy.add(policy.Normal, "not private")
	privacy.add(policy.Private, "private")
	all := []knob{privacy, c.mode(), c.task(tests["task"])}
	for _, field := range []string{"intent", "caller", "model"} {
		all = append(all, c.words(field, tests[field]))
	}
	if c.Ask.Target != "" {
		all = append(all, knob{field: targetAsked, from: c.Ask.Target, options: []option{{"", "no target were asked for by name"}}})
	}
	if c.Ask.MaxCost != nil {
		k := knob{field: maxCost, name: maxCost + " were ", from: *c.Ask.MaxCost, unit: 1e-6}
		k.turn(tests[maxCost], 0, 100)
		all = append(all, k, knob{field: maxCost, from: *c.Ask.MaxCost, options: []option{{nil, "there were no cost cap"}}})
	}
	for _, field := range []string{"needs.tools", "needs.schema", "needs.vision", "stream", onlyIfCached} {
		is := *askFlag(&c.Ask, field)
		if is && field != "stream" || len(tests[field]) > 0 {
			all = append(all, knob{field: field, from: is, name: field + " were ", options: []option{{!is, strconv.FormatBool(!is)}}})
		}
	}
	return all
}

// words goes to each word that the tests of a field name, and to none.
func (c *Case) words(field string, tests []*policy.Condition) knob {
	k := knob{field: field, from: *askText(&c.Ask, field), name: field + " were "}
	if len(tests) > 0 {
		k.add("", "none")
	}
	for _, t := range tests {
		for _, word := range t.In {
			k.add(word, word)
		}
	}
	return k
}

func (c *Case) mode() knob {
	k := knob{field: "mode", from: c.Ask.Mode, name: "the mode were "}
	k.add(policy.Auto, policy.Auto)
	if c.Ask.Target == "" {
		k.add(policy.Local, policy.Local)
		k.add(policy.Cloud, policy.Cloud)
	}
	return k
}

// task goes to every class that the document knows.
func (c *Case) task(tests []*policy.Condition) knob {
	classes := map[string]bool{"chat": true}
	for _, table := range []map[string]float64{c.Doc.Quality.Local, c.Doc.Quality.Cloud} {
		for name := range table {
			classes[name] = true
		}
	}
	for _, t := range tests {
		for _, name := range t.In {
			classes[name] = true
		}
	}
	delete(classes, "default")
	k := knob{field: "task", from: c.Ask.Task, name: "it were taken for "}
	for _, name := range slices.Sorted(maps.Keys(classes)) {
		k.add(name, name)
	}
	return k
}

// figures are those of the targets: better ones of the later, worse ones of the
// first.
func (c *Case) figures(first string) []knob {
	var all []knob
	for i := range c.Signals.Targets {
		t := &c.Signals.Targets[i]
		for _, f := range []struct {
			name         string
			worst, least float64
		}{{"p50_ms", float64(max(1000, c.Ask.DeadlineMS)), 1}, {"error_rate", 1, 0.001}, {"in_flight", 32, 1}} {
			k := knob{field: targets + "." + t.Name + "." + f.name, name: f.name + " of " + t.Name + " were ", unit: f.least, from: figure(t, f.name)}
			if k.from == nil && t.Name == first {
				continue // how bad it is taken to be is not known here
			}
			end := 0.0
			if t.Name == first {
				end = f.worst
			}
			k.toward(f.worst, end)
			all = append(all, k)
		}
	}
	return all
}

// estimates are the chances of a good answer from each target.
func (c *Case) estimates() []knob {
	var all []knob
	for _, e := range c.Ask.Expected {
		k := knob{field: expected + "." + e.Target + good, name: "the chance of a good answer from " + e.Target + " were ", from: e.Good, unit: 0.001}
		k.turn(nil, 0, 1)
		all = append(all, k)
	}
	return all
}

// sizes are the numbers of the ask.
func (c *Case) sizes(tests map[string][]*policy.Condition) []knob {
	var all []knob
	for _, f := range []struct {
		name      string
		low, high float64
		from      int
	}{
		{"deadline_ms", 1, 3_600_000, int(c.Ask.DeadlineMS)},
		{"size.tokens_est", 0, 1e6, c.Ask.Size.TokensEst},
		{tokensOut, 0, 1e6, c.Ask.Size.TokensOut},
		{"size.bytes", 0, 1e7, c.Ask.Size.Bytes},
	} {
		k := knob{field: f.name, name: f.name + " were ", from: float64(f.from), unit: 1}
		k.turn(tests[f.name], f.low, f.high)
		all = append(all, k)
	}
	if tests := tests["p_in_scope"]; len(tests) > 0 {
		k := knob{field: "p_in_scope", name: "p_in_scope were ", from: policy.Value("p_in_scope", &c.Ask, &c.Signals), unit: 0.001}
		k.turn(tests, 0, 1)
		all = append(all, k)
	}
	return all
}
