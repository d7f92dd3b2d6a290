package main

import (
	"os"
	"path/filepath"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
	command "nearside/cmd/nearside/policies"
	"nearside/policy/simulate"
)

// TestDrawings: the days that docs/REPLAY.md shows are those that are lived
// now.
func TestDrawings(t *testing.T) {
	for _, name := range policies.Names() {
		p, err := command.Named("profile:" + name)
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := written.Scenario(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("..", "..", "docs", "img", "day-"+name+".svg")
		want, err := os.ReadFile(path)
		got := simulate.Run(simulate.Options{Policy: p.Doc, Scenario: s, Seed: 1}).SVG()
		if err != nil || got != string(want) {
			t.Errorf("%s is not what the profile does now (%v); draw it again: nearside policy simulate --profile %s --svg docs/img/day-%[3]s.svg", path, err, name)
		}
	}
}
