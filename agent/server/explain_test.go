package server_test

import (
	"strings"
	"testing"
)

// TestExplainRecords: a record is explained again, as it was but for what is to
// be assumed; anything else is refused by its field.
func TestExplainRecords(t *testing.T) {
	f := world{}.open(t)
	const record = `{"id":"d1","service":"chat","mode":"auto","task":"chat","privacy":"normal","deadline_ms":60000,"policy":"9@00000000",
		"signals":{"network":"online","targets":[{"name":"cloud/only","services":["chat"],"usable":true}]},"plan":[]}`
	for _, tt := range []struct {
		query, body, signals string
		status               int
		param, says          string
	}{
		{"?from=decision", record, "", 200, "", `"why":"cloud/only goes first: `},
		{"?from=decision", record, "", 200, "", `"recorded":{"id":"d1"`},
		{"?from=decision", record, "network=offline", 200, "", `"target":"cloud/only","reason":`},
		{"?from=decision", record, "netwrk=offline", 400, "netwrk", "did you mean network?"},
		{"?from=decision", "{}", "", 400, "service", "must be there"},
		{"?from=decision", "hello", "", 400, "", "is no decision record"},
		{"?from=moon", record, "", 400, "from", "it must be decision"},
		{"", hello, "battery=8", 200, "", `"battery_pct":8`},
		{"", hello, "", 200, "", `"would_change":[{"set":[{"field":`},
	} {
		got := f.call(f.tcp, "POST", "/v1/explain"+tt.query, tt.body, "x-nearside-signals", tt.signals)
		if got.status != tt.status || got.fault.Param != tt.param || !strings.Contains(got.body, tt.says) {
			t.Errorf("%s %.30s %s: got %d %q %s", tt.query, tt.body, tt.signals, got.status, got.fault.Param, got.body)
		}
	}
}
