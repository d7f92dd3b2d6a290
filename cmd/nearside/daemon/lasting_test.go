package daemon

import (
	"slices"
	"testing"
	"time"

	"nearside/agent/server"
)

func TestLasting(t *testing.T) {
	var l lasting
	start := time.Now()
	first := server.Condition{Name: "target", Message: "cloud/first: it asked for fewer calls"}
	same := server.Condition{Name: "target", Message: "cloud/first: its breaker is open"}
	second := server.Condition{Name: "target", Message: "cloud/second: its breaker is open"}
	grave := server.Condition{Name: "engine", Message: "local/m: no engine"}
	for _, c := range []struct {
		after time.Duration
		are   []server.Condition
		want  []server.Condition
	}{
		{0, []server.Condition{first, grave}, []server.Condition{grave}},
		{2 * time.Second, []server.Condition{first, grave}, []server.Condition{grave}},
		{3 * time.Second, []server.Condition{same, second}, []server.Condition{same}}, // for another reason, but all the time
		{4 * time.Second, []server.Condition{second}, nil},
		{5 * time.Second, []server.Condition{first, second}, nil}, // it was well for a moment
		{6 * time.Second, []server.Condition{first, second}, []server.Condition{second}},
		{9 * time.Second, []server.Condition{first}, []server.Condition{first}},
		{10 * time.Second, nil, nil},
	} {
		if got := l.shown(c.are, start.Add(c.after)); !slices.Equal(got, c.want) {
			t.Errorf("after %v: got %v, want %v", c.after, got, c.want)
		}
	}
}
