package diff_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	"nearside/policy"
	"nearside/policy/cases"
	"nearside/policy/diff"
)

// changed is the built-in policy after an edit of its text in JSON.
func changed(t testing.TB, edits ...string) *policy.Document {
	t.Helper()
	doc, _, _ := written.DefaultPolicy()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(text), edits[i]) {
			t.Fatalf("no %s in %s", edits[i], text)
		}
	}
	d := &policy.Document{}
	if err := json.Unmarshal([]byte(strings.NewReplacer(edits...).Replace(string(text))), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestChanges(t *testing.T) {
	f := func(want string, edits ...string) {
		t.Helper()
		var lines []string
		for _, c := range diff.Compare(changed(t), changed(t, edits...), nil).Changes {
			lines = append(lines, fmt.Sprintf("%s %s: %s -> %s", c.Kind, c.Path, c.Before, c.After))
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", edits, got, want)
		}
	}
	const when = `{"field":"temperature_c","ge":85}`
	f("")
	f("", `"version":0`, `"version":9`)
	f("changed weights.near: 0.4 -> 0.6", `"near":0.4`, `"near":0.6`)
	f("changed services.chat.ladder: [cache, local, cloud, stale, refuse] -> [cache, local, cloud, refuse]", `"stale",`, "")
	f("", `"code":0.1`, `"code":0.1,"new":0.66`) // as the default says
	f("changed quality.local.new: 0.66 -> 0", `"code":0.1`, `"code":0.1,"new":0`)

	// The same in other words is the same.
	f("", when, `{"not":{"any":[{"field":"temperature_c","lt":85},{"not":{"field":"temperature_c","ge":-60}}]}}`)
	f(`changed rules.hot.when: {"field":"temperature_c","ge":85} -> {"field":"temperature_c","ge":86}`, when, `{"field":"temperature_c","ge":86}`)
	f(`changed rules.hot.then: {"prefer":["cloud"]} -> {"deny":["local"]}`, when+`,"until":{"field":"temperature_c","lt":75},"then":{"prefer":["cloud"]}`,
		when+`,"until":{"field":"temperature_c","lt":75},"then":{"deny":["local"]}`)
	f("changed rules.hot.until: "+`{"field":"temperature_c","lt":75} -> null`, when+`,"until":{"field":"temperature_c","lt":75}`, when)
	f("renamed rules.warm: hot -> warm", `"name":"hot"`, `"name":"warm"`)
	f(`added rules.all:  -> {"name":"all","when":{},"then":{"prefer":["local"]}}`, `"rules":[`, `"rules":[{"name":"all","when":{},"then":{"prefer":["local"]}},`)
}

func TestMovedRules(t *testing.T) {
	doc, swapped := changed(t), changed(t)
	swapped.Rules[0], swapped.Rules[3] = swapped.Rules[3], swapped.Rules[0]
	var lines []string
	for _, c := range diff.Compare(doc, swapped, cases.Fleet()).Changes {
		lines = append(lines, c.Kind+" "+c.Path+" "+c.After)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "moved rules.hot before hot_critical") {
		t.Errorf("got %s", lines)
	}
	for i := range doc.Rules {
		limit := float64(i)
		doc.Rules[i].When = policy.Condition{Field: "battery_pct", GE: &limit, LE: &limit}
		doc.Rules[i].Until = nil
	}
	back := *doc
	back.Rules = append([]policy.Rule{doc.Rules[1], doc.Rules[0]}, doc.Rules[2:]...)
	if got := diff.Compare(doc, &back, cases.Fleet()); len(got.Changes) > 0 || got.Differ > 0 {
		t.Errorf("rules that cannot hold together: %+v", got)
	}
}

// TestGrid: a change of a limit is met between the old and the new one.
func TestGrid(t *testing.T) {
	a, b := changed(t), changed(t, `{"field":"temperature_c","ge":85}`, `{"field":"temperature_c","ge":80}`)
	r := diff.Compare(a, b, cases.Fleet())
	if r.Tried < 1000 || r.Differ == 0 || r.Differ == r.Tried || len(r.Moves) != 1 || r.Moves[0] != (diff.Move{From: "local/small", To: "cloud/first", Asks: r.Differ}) {
		t.Fatalf("%d of %d differ: %+v", r.Differ, r.Tried, r.Moves)
	}
	e := r.Examples[0]
	if len(r.Examples) != 3 || !strings.Contains(e.With, "temperature_c=8") || e.Before != "local_first" || e.After != "rule_hot" {
		t.Errorf("examples %+v", r.Examples)
	}
	if same := diff.Compare(a, changed(t), cases.Fleet()); same.Differ != 0 || same.Tried < 1000 || len(same.Changes) != 0 {
		t.Errorf("the same policy differs: %+v", same)
	}
}

// TestProfiles: every two profiles are compared, within bounds.
func TestProfiles(t *testing.T) {
	a, _, _ := written.DefaultPolicy()
	for _, name := range policies.Names()[1:] {
		b, _, _, err := written.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := diff.Compare(a, b, cases.Fleet())
		if len(r.Changes) == 0 || r.Differ == 0 || r.Tried > 40_000 || len(r.Examples) == 0 || len(r.Examples) > 10 {
			t.Errorf("%s: %d changes, %d of %d differ, %d examples", name, len(r.Changes), r.Differ, r.Tried, len(r.Examples))
		}
	}
}

// TestBothWays: what goes elsewhere from one policy to another goes back from
// that to the first.
func TestBothWays(t *testing.T) {
	a, _, _ := written.DefaultPolicy()
	b, _, _, err := written.Profile("robot")
	if err != nil {
		t.Fatal(err)
	}
	there, back := diff.Compare(a, b, cases.Fleet()), diff.Compare(b, a, cases.Fleet())
	if there.Differ != back.Differ || there.Tried != back.Tried || len(there.Moves) != len(back.Moves) {
		t.Errorf("%d of %d, and back %d of %d", there.Differ, there.Tried, back.Differ, back.Tried)
	}
	for _, m := range there.Moves {
		if !slices.Contains(back.Moves, diff.Move{From: m.To, To: m.From, Asks: m.Asks}) {
			t.Errorf("%+v has no way back", m)
		}
	}
}

// TestHugeDocuments: the most rules there may be, each with a limit of its own,
// end within bounds.
func TestHugeDocuments(t *testing.T) {
	a, b := changed(t), changed(t)
	for i := range 990 {
		limit := float64(i) / 10
		r := policy.Rule{Name: fmt.Sprint("r", i), When: policy.Condition{Field: "cpu_pct", GE: &limit}, Then: policy.Effect{Prefer: []string{"local"}}}
		a.Rules = append(a.Rules, r)
		b.Rules = append([]policy.Rule{r}, b.Rules...)
	}
	if r := diff.Compare(a, b, cases.Fleet()); r.Tried > 10_000 || r.Tried < 1000 || !r.Cut {
		t.Errorf("%d tried, cut: %v", r.Tried, r.Cut)
	}
}

func BenchmarkCompare(b *testing.B) {
	x, _, _ := written.DefaultPolicy()
	y, _, _, err := written.Profile("robot")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		diff.Compare(x, y, cases.Fleet())
	}
}
