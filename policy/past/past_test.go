package past_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/past"
)

const record = `{"id":"d1","time":"2026-03-04T21:30:00Z","caller":"app","service":"chat","mode":"auto","task":"chat","privacy":"normal",
	"deadline_ms":60000,"size":{"bytes":9,"tokens_est":2,"tokens_out_est":512},"expected":[{"target":"local/small","good":0.5,"from":"gate"}],
	"signals":{"network":"online","device":{"battery_pct":80},"targets":[{"name":"local/small","services":["chat"],"usable":true,"p50_ms":400}]},
	"policy":"3@0123abcd","plan":[{"step":"local","target":"local/small"}],"not_chosen":[],"attempts":[],"outcome":{"route":"local"}}`

// TestRead: a record is read as it is; each thing that cannot be is refused by
// its field.
func TestRead(t *testing.T) {
	d, err := past.Read([]byte(record))
	if err != nil || d.ID != "d1" || d.Policy != "3@0123abcd" || d.Caller != "app" || *d.Signals.Device.BatteryPct != 80 || d.Steps[0].Target != "local/small" {
		t.Fatalf("got %+v, %v", d, err)
	}
	f := func(was, is, field string) {
		t.Helper()
		text := strings.Replace(record, was, is, 1)
		_, err := past.Read([]byte(text))
		var p policy.Problem
		if text == record || !errors.As(err, &p) || p.Path != field || p.Message == "" {
			t.Errorf("%s: got %v, want a problem of %q", is, err, field)
		}
	}
	f(`"chat"`, `""`, "service")
	f(`"auto"`, `"any"`, "mode")
	f(`"normal"`, `"secret"`, "privacy")
	f(`60000`, `-1`, "deadline_ms")
	f(`512`, `10000000000`, "size")
	f(`0.5`, `1.5`, "expected")
	f(`"good":0.5`, `"good":0.5,"gain":-2`, "expected")
	f(`"online"`, `"up"`, "signals")
	f(`80`, `101`, "signals")
	f(`400`, `-400`, "signals.targets")
	f(`"name":"local/small"`, `"name":"small"`, "signals.targets")
	f(`"name":"local/small"`, `"name":"local/small","error_rate":1.5`, "signals.targets")
	f(`[{"name"`, `[],"other":[{"name"`, "signals.targets")
	f(`{"name"`, strings.Repeat(`{"name":"cloud/x"},`, 64)+`{"name"`, "signals.targets")
	f(`{"id"`, `[{"id"`, "")
}

// FuzzRead: what is taken can be decided, and written again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(record))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := past.Read(text)
		if err != nil {
			return
		}
		doc := &policy.Document{Limits: policy.Limits{DeadlineMS: 60000, AttemptMS: 1000, SilenceMS: 1000}}
		plan := decide.Plan(doc, &d.Ask, &d.Signals)
		if out, err := json.Marshal(&plan); err != nil {
			t.Errorf("%s: %s, %v", text, out, err)
		}
	})
}
