package daemon

import (
	"slices"
	"testing"
	"time"

	"nearside/agent/server/status"
)

func TestLasting(t *testing.T) {
	var l lasting
	start := time.Now()
	first := status.Condition{Name: "target", Message: "cloud/first: it asked for fewer calls"}
	same := status.Condition{Name: "target", Message: "cloud/first: its breaker is open"}
	second := status.Condition{Name: "target", Message: "cloud/second: its breaker is open"}
	grave := status.Condition{Name: "engine", Message: "local/m: no engine"}
	for _, c := range []struct {
		after time.Duration
		are   []status.Condition
		want  []status.Condition
	}{
		{0, []status.Condition{first, grave}, []status.Condition{grave}},
		{2 * time.Second, []status.Condition{first, grave}, []status.Condition{grave}},
		{3 * time.Second, []status.Condition{same, second}, []status.Condition{same}}, // for another reason, but all the time
		{4 * time.Second, []status.Condition{second}, nil},
		{5 * time.Second, []status.Condition{first, second}, nil}, // it was well for a moment
		{6 * time.Second, []status.Condition{first, second}, []status.Condition{second}},
		{9 * time.Second, []status.Condition{first}, []status.Condition{first}},
		{10 * time.Second, nil, nil},
	} {
		if got := l.shown(c.are, start.Add(c.after)); !slices.Equal(got, c.want) {
			t.Errorf("after %v: got %v, want %v", c.after, got, c.want)
		}
	}
}
