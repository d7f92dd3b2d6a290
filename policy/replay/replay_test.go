package replay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/policy"
	"nearside/policy/replay"
)

// changed is the built-in policy after a change.
func changed(t testing.TB, change func(*policy.Document)) *policy.Document {
	t.Helper()
	text, err := json.Marshal(builtIn().Doc)
	if err != nil {
		t.Fatal(err)
	}
	d := &policy.Document{}
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	change(d)
	return d
}

// cloudy denies the device's models for all.
func cloudy(d *policy.Document) {
	d.Rules = append([]policy.Rule{{Name: "cloudy", Then: policy.Effect{Deny: []string{"local"}}}}, d.Rules...)
}

// kept is a record as a daemon keeps it: a chat that the device answered.
const kept = `{"id":"d1","time":"2026-06-01T12:00:00Z","request_id":"r","trace_id":"","caller":"","service":"chat","model_asked":"auto","mode":"auto",
"task":"chat","privacy":"normal","deadline_ms":10000,"size":{"bytes":400,"tokens_est":100,"tokens_out_est":600},"needs":{"tools":false,"schema":false,"vision":false},
"stream":false,"repeatable":false,"cache_control":{},
"signals":{"time":"2026-06-01T12:00:00Z","network":"metered","device":{},"targets":[
{"name":"local/small","services":["chat"],"near":true,"usable":true,"p50_ms":300,"p95_ms":900,"error_rate":0,"in_flight":0},
{"name":"cloud/first","services":["chat"],"near":false,"usable":true,"p50_ms":800,"p95_ms":2000,"error_rate":0.1,"in_flight":0,"price":{"input":1,"output":2}}]},
"policy":"7@abcdabcd","plan":[{"step":"local","target":"local/small","utility":1,"terms":{},"budget_ms":5000,"commit":"","reason":"local_first","why":"-"},
{"step":"refuse","target":"","utility":0,"terms":{},"budget_ms":0,"commit":"","reason":"no_route","why":"-"}],"not_chosen":[],
"attempts":[],"outcome":{"route":"local","target":"local/small","status":200,"reason":"local_first","ttft_ms":null,"total_ms":250,"tokens_in":90,"tokens_out":30,
"cost_usd":null,"confidence":0.5,"cache":"miss","degraded":false}}`

func lines(records ...string) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for _, r := range records {
			yield([]byte(r))
		}
	}
}

func TestReport(t *testing.T) {
	o := replay.Options{New: changed(t, cloudy)}
	second := strings.NewReplacer(`"d1"`, `"d2"`, "12:00:00Z", "13:00:00Z", `"route":"local","target":"local/small"`, `"route":"cache","target":"local/small"`).Replace(kept)
	r := replay.Run(o, lines(kept, second))
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if r.Records != 2 || r.Foreign != 2 || r.Changed != 2 || r.Estimated != 2 || r.To.Sub(r.From) != time.Hour {
		t.Errorf("got %+v", r)
	}
	if got, want := fmt.Sprint(r.Moves, r.Policies), "[{cache cloud/first 1} {local/small cloud/first 1}] [{7@abcdabcd 2}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := fmt.Sprint(r.Before.Routes, r.After.Routes); got != "map[cache:1 local:1] map[cloud:2]" {
		t.Errorf("routes %s", got)
	}
	near("local share before", r.Before.LocalShare, 0.5)
	near("quality before", r.Before.Quality, 0.66)
	near("latency before", r.Before.MS, 250)
	near("cost before", r.Before.CostUSD, 0)
	near("local share after", r.After.LocalShare, 0)
	near("quality after", r.After.Quality, 0.9*0.9)
	near("latency after", r.After.MS, 800)
	near("cost after", r.After.CostUSD, 2*(90*1+30*2)/1e6) // by the tokens there were
	near("metered after", r.After.MeteredKB, 2*(400+6*600)/1000.0)
	if r.Assumed != 0 {
		t.Errorf("%d assumed figures", r.Assumed)
	}
	bare := strings.Replace(kept, `,"price":{"input":1,"output":2}`, "", 1)
	if r := replay.Run(o, lines(bare, kept)); r.Estimated != 2 || r.Assumed != 1 {
		t.Errorf("without a price: %d estimated, %d with assumed figures", r.Estimated, r.Assumed)
	}
	c := r.Affected[0]
	if len(r.Affected) != 2 || c.ID != "d1" || c.From != "local/small" || c.To != "cloud/first" || c.Reason != "rule_cloudy" || c.MS != 550 {
		t.Errorf("affected: %+v", r.Affected)
	}
}

// TestKeptAnswers: a move begins where the reply came from, not where a kept
// answer was looked for, and what serves in both plans does not move.
func TestKeptAnswers(t *testing.T) {
	const local = `{"step":"local","target":"local/small","utility":1,"terms":{},"budget_ms":5000,"commit":"","reason":"local_first","why":"-"}`
	kind := func(plan, route string) string {
		return strings.NewReplacer(local, plan, `"route":"local","target":"local/small"`, `"route":"`+route+`","target":""`).Replace(kept)
	}
	step := func(kind string) string {
		return `{"step":"` + kind + `","target":"","utility":0,"terms":{},"budget_ms":0,"commit":"","reason":"-","why":"-"}`
	}
	closed := func(d *policy.Document) {
		d.Rules = []policy.Rule{{Name: "closed", Then: policy.Effect{Deny: []string{"local", "cloud"}}}}
	}
	always := func(d *policy.Document) {
		chat := d.Services[policy.Chat]
		chat.Fresh = "always"
		d.Services[policy.Chat] = chat
	}
	for _, c := range []struct {
		name   string
		record string
		change func(*policy.Document)
		want   string
	}{
		{"nothing was kept", kind(step("stale"), "none"), func(*policy.Document) {}, "[{none local/small 1}]"},
		{"something was", kind(step("stale"), "stale"), func(*policy.Document) {}, "[{stale local/small 1}]"},
		{"nor would there be now", kind(step("stale"), "none"), closed, "[]"},
		{"fresh, then not looked for", kind(step("cache")+","+local, "cache"), cloudy, "[{cache cloud/first 1}]"},
		{"fresh in both", kind(step("cache")+","+local, "cache"), func(d *policy.Document) { cloudy(d); always(d) }, "[]"},
	} {
		r := replay.Run(replay.Options{New: changed(t, c.change)}, lines(c.record))
		if got := fmt.Sprint(r.Moves); got != c.want || r.Records != 1 {
			t.Errorf("%s: %d records, moves %s, want %s", c.name, r.Records, got, c.want)
		}
	}
}

func TestOutcomeOfTheSameRoute(t *testing.T) {
	r := replay.Run(replay.Options{New: builtIn().Doc}, lines(strings.Replace(kept, `"metered"`, `"online"`, 1)))
	if r.Changed != 0 || r.Estimated != 0 || r.After.MS != 250 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	f := func(want, old, new string) {
		t.Helper()
		text := strings.Replace(kept, old, new, 1)
		r := replay.Run(replay.Options{New: builtIn().Doc}, lines(kept, text))
		if r.Records != 1 || r.Unreadable != 1 || !strings.HasPrefix(r.Faults[0], "record 2: "+want) {
			t.Errorf("%s: got %+v", new, r)
		}
	}
	f("is no decision record", "{", "")
	f("is no decision record: json: cannot unmarshal string into Go struct field Record.Ask.deadline_ms", "10000", `"ten"`)
	f("id is missing", `"d1"`, `""`)
	f("time is missing", `"time":"2026-06-01T12:00:00Z",`, "")
	f("service is missing", `"chat","model_asked"`, `"","model_asked"`)
	f("outcome.total_ms is -1; it must be from 0", `"total_ms":250`, `"total_ms":-1`)
	f("p50_ms is 1e+300; it must be from 0 to 1e+12", `"p50_ms":300`, `"p50_ms":1e300`)
	f(`the name "\x1b[2Jd1" is too long or cannot be printed`, `"d1"`, `"\u001b[2Jd1"`)
	f("plan: ", `"plan":[`, `"plan":[1,`)
	f("plan: it has no end", `"plan":[`, `"plan":[],"was":[`)
	f("not_chosen: ", `"not_chosen":[]`, `"not_chosen":1`)
	f("is 200", `"request_id":"r"`, `"request_id":"`+strings.Repeat("r", 2_000_000)+`"`)

	unplanned := strings.Replace(kept, `"plan":[`, `"plan":null,"was":[`, 1)
	if r := replay.Run(replay.Options{New: builtIn().Doc}, lines(unplanned)); r.Unplanned != 1 || r.Unreadable+r.Records != 0 {
		t.Errorf("without a plan: %+v", r)
	}
}

func TestSince(t *testing.T) {
	o := replay.Options{New: builtIn().Doc, Since: time.Date(2026, 6, 1, 12, 0, 1, 0, time.UTC)}
	if r := replay.Run(o, lines(kept, strings.ReplaceAll(kept, "12:00:00Z", "12:00:01Z"))); r.Records != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestPlanThatWasAltered: a plan that its policy does not make is found.
func TestPlanThatWasAltered(t *testing.T) {
	p := builtIn()
	records := live(t, p, 50, 50)
	records[7] = bytes.Replace(records[7], []byte(`"reason":"`), []byte(`"reason":"x`), 1)
	r := replay.Run(replay.Options{New: p.Doc, Old: map[string]*policy.Document{p.String(): p.Doc}}, slices.Values(records))
	if r.Differing != 1 || len(r.Differ) != 1 || !bytes.Contains(records[7], []byte(r.Differ[0])) {
		t.Errorf("got %d, %s", r.Differing, r.Differ)
	}
	// Other white space is not another plan.
	var wide bytes.Buffer
	if err := json.Indent(&wide, records[8], "", " "); err != nil {
		t.Fatal(err)
	}
	records = [][]byte{wide.Bytes()}
	if r := replay.Run(replay.Options{New: p.Doc, Old: map[string]*policy.Document{p.String(): p.Doc}}, slices.Values(records)); r.Differing != 0 {
		t.Errorf("got %s", r.Differ)
	}
}

// TestOrderAndWorkers: neither makes another report.
func TestOrderAndWorkers(t *testing.T) {
	records := live(t, builtIn(), 500, 500)
	text := func(workers int) string {
		r := replay.Run(replay.Options{New: changed(t, cloudy), Workers: workers}, slices.Values(records))
		b, err := json.Marshal(r)
		if err != nil || r.Changed == 0 || len(r.Affected) != 10 {
			t.Fatalf("%v: %+v", err, r)
		}
		return string(b)
	}
	want := text(1)
	slices.Reverse(records)
	for _, workers := range []int{0, 2, 7} {
		if got := text(workers); got != want {
			t.Errorf("%d workers:\n%s\none:\n%s", workers, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(kept))
	f.Add([]byte(`{"id":"a","time":"2026-06-01T12:00:00Z","service":"chat","plan":[{"step":"cache"}],"not_chosen":[]}`))
	p := builtIn()
	d := changed(f, cloudy)
	f.Fuzz(func(t *testing.T, text []byte) {
		r := replay.Run(replay.Options{New: d, Old: map[string]*policy.Document{"7@abcdabcd": p.Doc}}, lines(string(text)))
		if r.Records+r.Unreadable+r.Unplanned != 1 {
			t.Errorf("the record is nowhere: %+v", r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkReplay is of 100,000 records.
func BenchmarkReplay(b *testing.B) {
	p := builtIn()
	some := live(b, p, 1000, 1000)
	size := 0
	for _, r := range some {
		size += len(r)
	}
	all := slices.Repeat(some, 100)
	o := replay.Options{New: changed(b, cloudy), Old: map[string]*policy.Document{p.String(): p.Doc}, Workers: runtime.GOMAXPROCS(0)}
	b.SetBytes(int64(size) * 100)
	for b.Loop() {
		if r := replay.Run(o, slices.Values(all)); r.Differing > 0 || r.Records < 90_000 {
			b.Fatalf("%+v", r)
		}
	}
}
