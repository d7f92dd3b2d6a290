package decision_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"nearside/agent/decision"
	"nearside/policy"
)

// fill sets whatever can be set to something, one in three to nothing.
func fill(r *rand.Rand, v reflect.Value, words []string) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(4e9), r.Int64N(2)*r.Int64N(1e9)).In(time.FixedZone("", r.IntN(3)*3600))))
		return
	}
	if v.Kind() != reflect.Struct && r.IntN(3) == 0 {
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), words)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), words)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), words)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, word := range words {
			one := reflect.New(v.Type().Elem()).Elem()
			fill(r, one, words)
			v.SetMapIndex(reflect.ValueOf(word), one)
		}
	case reflect.String:
		v.SetString(words[r.IntN(len(words))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat([]float64{r.NormFloat64(), math.Round(r.Float64() * 1e4), r.Float64() * 1e-7, math.Copysign(0, -1)}[r.IntN(4)])
	case reflect.Uint64:
		v.SetUint(r.Uint64())
	default: // or SetInt panics: a kind of field that is new here
		v.SetInt(r.Int64() >> r.IntN(64))
	}
}

// inscribed holds a generated record to encoding/json. Fields are found by
// reflection, so one that is added to a type and not written is missed here.
func inscribed(t *testing.T, seed uint64, word string) {
	t.Helper()
	var r decision.Record
	fill(rand.New(rand.NewPCG(seed, 0)), reflect.ValueOf(&r).Elem(), []string{word, "cloud/first", "no route: \"x\" <&> \u2028"})
	want, err := json.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.AppendJSON([]byte("[")); string(got) != "["+string(want) {
		t.Fatalf("seed %d: got\n%s, want\n%s", seed, got, want)
	}
}

func TestRecordsAreInscribed(t *testing.T) {
	for seed := range uint64(3000) {
		inscribed(t, seed, "lamp")
	}
	r := decision.Record{Plan: policy.Plan{Steps: []policy.Step{{Utility: math.NaN()}}}}
	if got := r.AppendJSON([]byte("[")); string(got) != "[" {
		t.Errorf("of what is no number: got %s", got)
	}
}

func FuzzInscribe(f *testing.F) {
	f.Add(uint64(1), "lamp")
	f.Add(uint64(2), "\xffé\x00")
	f.Fuzz(inscribed)
}

// BenchmarkInscribe writes a record as a request to the cloud leaves it.
func BenchmarkInscribe(b *testing.B) {
	var r decision.Record
	if err := json.Unmarshal([]byte(usualRecord), &r); err != nil {
		b.Fatal(err)
	}
	for name, write := range map[string]func([]byte) []byte{
		"ours":          r.AppendJSON,
		"encoding/json": func([]byte) []byte { text, _ := json.Marshal(&r); return text },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var text []byte
			for b.Loop() {
				text = write(text[:0])
			}
		})
	}
}

const usualRecord = `{"id":"d01a2061ab3edfbbd7e68b3","time":"2026-11-23T01:52:23.021795155Z","request_id":"req_06c334e8214333a527005a66","trace_id":"a35a2ad1b6b41106090e538a1509ae9d","caller":"app","service":"chat","model_asked":"cloud","mode":"cloud","task":"chat","privacy":"normal","deadline_ms":60000,"size":{"bytes":185,"tokens_est":32,"tokens_out_est":512},"needs":{"tools":false,"schema":false,"vision":false},"stream":false,"repeatable":true,"cache_control":{},"signals":{"time":"2026-11-23T01:52:23.021797346Z","network":"unknown","device":{"cpu_pct":98,"mem_available_mb":23403,"pressure_pct":0.94,"disk_free_mb":48419},"turn":50,"targets":[{"name":"cloud/first","services":["chat"],"near":true,"usable":true,"p50_ms":0.24,"p95_ms":0.326,"error_rate":0,"in_flight":0,"price":{"input":0.4,"output":1.6}},{"name":"cloud/second","services":["chat"],"near":true,"usable":true,"p50_ms":null,"p95_ms":null,"error_rate":null,"in_flight":0,"price":{"input":0.4,"output":1.6}}]},"policy":"0@939dac18","plan":[{"step":"cache","target":"","utility":0,"terms":{},"budget_ms":0,"commit":"","reason":"cache_fresh","why":"an identical ask may have been answered lately"},{"step":"cloud","target":"cloud/first","members":[{"target":"cloud/first","utility":0.8983348,"terms":{"quality":0.9,"latency":-0.0000012,"cost":-0.001664}},{"target":"cloud/second","utility":0.8283347999999999,"terms":{"quality":0.855,"latency":-0.0000012,"errors":-0.025,"cost":-0.001664},"assumed":["p50_ms","error_rate"]}],"utility":0.8983348,"terms":{"quality":0.9,"latency":-0.0000012,"cost":-0.001664},"budget_ms":60000,"commit":"first_token","commit_tokens":1,"reason":"local_unavailable","why":"no local target can answer this"},{"step":"stale","target":"","utility":0,"terms":{},"budget_ms":0,"commit":"","reason":"stale_on_error","why":"when nothing better answers, what was last known is better than nothing"},{"step":"refuse","target":"","utility":0,"terms":{},"budget_ms":0,"commit":"","reason":"no_route","why":"no target could answer"}],"not_chosen":[],"reason":"forced_mode","attempts":[{"target":"cloud/first","start_ms":0,"ms":0,"result":"ok","error":""}],"outcome":{"route":"cloud","target":"cloud/first","status":200,"reason":"forced_mode","ttft_ms":0,"total_ms":0,"tokens_in":20,"tokens_out":14,"cost_usd":0.000030400000000000004,"confidence":null,"cache":"miss","degraded":false}}`
