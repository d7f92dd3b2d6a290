package label_test

import (
	"strings"
	"testing"

	"nearside/agent/learn/label"
	"nearside/policy"
)

// TestCounting: of several judgements of one answer that of the first source
// counts, wherever it stands; what does not serve judges nothing.
func TestCounting(t *testing.T) {
	list := []label.Label{
		{Decision: "a", Source: label.FromEscalation, Target: "1"}, {Decision: "b", Source: label.FromAudit, Target: "2"},
		{Decision: "a", Source: label.FromFeedback, Target: "3"}, {Decision: "b", Source: label.FromSchema, Target: "4"},
		{Decision: "a", Source: label.FromTools, Target: "5"}, {Decision: "c", Source: label.FromTools, Target: "6"},
	}
	f := func(want string, serves func(*label.Label) bool) {
		t.Helper()
		got := ""
		for _, x := range label.Counting(list, serves) {
			got += x.Target
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("346", func(*label.Label) bool { return true })
	f("256", func(x *label.Label) bool { return x.Source != label.FromSchema && x.Source != label.FromFeedback })
	f("", func(*label.Label) bool { return false })
}

func TestClass(t *testing.T) {
	for _, stream := range []bool{false, true} {
		class := label.Class(&policy.Ask{Task: "math", Stream: stream})
		if (class != "math") != stream || label.TaskOf(class) != "math" {
			t.Errorf("a stream is %t: class %q, of task %q", stream, class, label.TaskOf(class))
		}
	}
	for text, want := range map[string]bool{"": false, "why": true, strings.Repeat("x", 2000): true, strings.Repeat("x", 2001): false} {
		if label.Telltale(text) != want {
			t.Errorf("%d bytes are looked at: %t", len(text), !want)
		}
	}
}
