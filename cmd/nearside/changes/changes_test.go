package changes_test

import (
	"encoding/json"
	"strings"
	"testing"

	"nearside/agent/server/status"
	"nearside/cmd/nearside/changes"
)

// TestBetween: every kind of change is one event that says what there is now, and
// what stays the same is none.
func TestBetween(t *testing.T) {
	open, closed := "open", "closed"
	first := func(usable bool, breaker *string) status.Status {
		return status.Status{Targets: []status.Target{{Name: "cloud/first", Usable: usable, Breaker: breaker}}}
	}
	ill := status.Condition{Name: "target", Severity: "warn", Message: "cloud/first: its breaker is open"}
	for _, c := range []struct {
		name    string
		was, is changes.Look
		want    []string
	}{
		{"nothing", changes.Look{Status: first(true, &closed)}, changes.Look{Status: first(true, &closed)}, nil},
		{"another count of calls", changes.Look{}, changes.Look{Status: status.Status{UptimeS: 5, Ready: true}}, nil},
		{"network", changes.Look{}, changes.Look{Status: status.Status{Connectivity: status.Connectivity{State: "offline", Source: "link"}}},
			[]string{`connectivity {"source":"link","state":"offline","was":""}`}},
		{"breaker", changes.Look{Status: first(true, &closed)}, changes.Look{Status: first(false, &open)},
			[]string{`target {"name":"cloud/first","usable":false,"why":null,"breaker":"open"}`}},
		{"a new target", changes.Look{}, changes.Look{Status: first(true, nil)},
			[]string{`target {"name":"cloud/first","usable":true,"why":null,"breaker":null}`}},
		{"degraded and ill", changes.Look{}, changes.Look{Degraded: "offline", Status: status.Status{Health: []status.Condition{ill}}},
			[]string{`degraded {"degraded":true,"reason":"offline"}`, `health {"raised":true,"name":"target"`}},
		{"well again", changes.Look{Degraded: "offline", Status: status.Status{Health: []status.Condition{ill}}}, changes.Look{},
			[]string{`degraded {"degraded":false,"reason":null}`, `health {"raised":false,"name":"target"`}},
	} {
		got := changes.Between(&c.was, &c.is)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %+v, want %v", c.name, got, c.want)
			continue
		}
		for i, e := range got {
			data, err := json.Marshal(e.Data)
			if text := e.Kind + " " + string(data); err != nil || !strings.HasPrefix(text, c.want[i]) {
				t.Errorf("%s: got %s, %v, want %s", c.name, text, err, c.want[i])
			}
		}
	}
}
