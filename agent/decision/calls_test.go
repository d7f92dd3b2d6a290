package decision_test

import (
	"errors"
	"net"
	"reflect"
	"testing"
	"time"

	"nearside/agent/decision"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

func TestCalls(t *testing.T) {
	begun := time.Now()
	var calls decision.Calls
	for _, one := range []openai.Attempt{
		{Target: "local/small", Start: begun, Result: "busy", Err: fault.ErrBusy},
		{Target: "cloud/first", Start: begun.Add(time.Second), Took: 40 * time.Millisecond, Result: "status_500",
			Err: &fault.Error{Status: 500, Message: "no word of this"}},
		{Target: "cloud/second", Start: begun.Add(2 * time.Second), Took: time.Millisecond, Result: "unreachable",
			Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}},
		{Target: "cloud/third", Start: begun.Add(3 * time.Second), Took: time.Second, Result: "ok"},
	} {
		calls.Add(one)
	}
	want := []decision.Attempt{
		{Target: "local/small", Result: "busy", Error: fault.ErrBusy.Error()},
		{Target: "cloud/first", StartMS: 1000, MS: 40, Result: "status_500", Error: "the target answered status 500"},
		{Target: "cloud/second", StartMS: 2000, MS: 1, Result: "unreachable", Error: "dial: connection refused"},
		{Target: "cloud/third", StartMS: 3000, MS: 1000, Result: "ok"},
	}
	if got := calls.Attempts(begun); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := calls.Reached(); got != 3 {
		t.Errorf("%d calls reached out, want 3: one was turned away before", got)
	}
}

// TestNewID: ids are in the order of time, and no two of one moment are one.
func TestNewID(t *testing.T) {
	now := time.UnixMilli(1_795_000_000_000)
	seen := map[string]bool{}
	for range 1000 {
		id := decision.NewID(now)
		if seen[id] || id >= decision.NewID(now.Add(time.Millisecond)) || len(id) != 23 {
			t.Fatalf("%s came twice, is not in order, or is no id", id)
		}
		seen[id] = true
	}
}
