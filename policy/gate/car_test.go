package gate_test

import (
	"bytes"
	"os"
	"runtime"
	"testing"

	"nearside/policy/gate"
)

// TestCarIsCurrent trains the gate that ships from its phrases again: `make
// gate` must have been run since either changed. Elsewhere than on amd64 sums
// may round otherwise, and it is the verdicts that must agree.
func TestCarIsCurrent(t *testing.T) {
	t.Parallel() // it takes its time
	text, err := os.ReadFile("testdata/car.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := os.ReadFile("../../agent/config/gates/car.gate")
	if err != nil {
		t.Fatal(err)
	}
	data, err := gate.Parse(text)
	if err != nil || len(data.Faults)+data.Duplicates+data.Empty > 0 {
		t.Fatalf("the phrases: %v, %+v", err, data)
	}
	made, r, err := gate.Train(data.Examples, gate.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Intents < 30 || r.Accuracy < 0.9 || r.AUROC < 0.95 || len(shipped) > 600_000 {
		t.Errorf("%d intents, accuracy %.3f, auroc %.3f, %d bytes", r.Intents, r.Accuracy, r.AUROC, len(shipped))
	}
	if runtime.GOARCH == "amd64" && !bytes.Equal(encoded(t, made), shipped) {
		t.Error("the gate that ships is not the one its phrases make: run make gate")
	}
	g, err := gate.Read(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range data.Examples {
		if a, b := g.Classify(e.Text), made.Classify(e.Text); a.Intent != b.Intent {
			t.Errorf("%q: %+v, made again %+v", e.Text, a, b)
		}
	}
}
