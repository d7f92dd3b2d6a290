package daemon

import (
	"strings"
	"testing"

	"nearside/agent/learn"
	"nearside/agent/learn/standing"
)

// TestUnusableCalibration: a file that was imported and cannot be used is told.
func TestUnusableCalibration(t *testing.T) {
	list, fault := conditions{}, "small.json: cut or no calibration"
	list.addLearning(learn.Report{Targets: []standing.Known{{Name: "local/small", State: standing.Measured, Fault: &fault}}})
	if len(list) != 1 || list[0].Name != "calibration" || list[0].Severity != "warn" || !strings.Contains(list[0].Message, fault) || list[0].Hint == "" {
		t.Errorf("got %v", list)
	}
}

// TestLearningConditions: what is not trusted as before is told, with what to
// do about it.
func TestLearningConditions(t *testing.T) {
	why := "the scores moved"
	for state, want := range map[string]string{standing.Doubted: "warn", standing.Changed: "info", standing.Measured: "", standing.Unmeasured: ""} {
		list := conditions{}
		list.addLearning(learn.Report{Targets: []standing.Known{{Name: "local/small", State: state, Why: &why}}})
		if want == "" {
			if len(list) > 0 {
				t.Errorf("%s: got %v, want nothing", state, list)
			}
			continue
		}
		if len(list) != 1 || list[0].Severity != want || list[0].Name != "calibration" || !strings.HasPrefix(list[0].Message, "local/small: ") || list[0].Hint == "" {
			t.Errorf("%s: got %v, want one of %s", state, list, want)
		}
		if state == standing.Doubted && !strings.Contains(list[0].Message, why) {
			t.Errorf("got %v, which does not say why", list)
		}
	}
}
