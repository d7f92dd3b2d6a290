package written_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/written"
	"nearside/policy/simulate"
)

// TestReplayPage: the examples of docs/REPLAY.md can be used as they are.
func TestReplayPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "REPLAY.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")
	if len(blocks) != 3 {
		t.Fatalf("%d examples", len(blocks)-1)
	}
	doc, _, _ := written.DefaultPolicy()
	text := func(i int) string { return blocks[i][:strings.Index(blocks[i], "```")] }
	f, err := written.LoadCases(file(t, text(1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Run(doc) {
		if !r.OK {
			t.Errorf("%s: %+v", r.Name, r.Faults)
		}
	}
	s, err := written.LoadScenario(file(t, text(2)))
	if err != nil {
		t.Fatal(err)
	}
	if d := simulate.Run(simulate.Options{Policy: doc, Scenario: s, Seed: 1}); d.Total.Asks == 0 || d.Changes > 2 {
		t.Errorf("the day of the page: %+v", d.Total)
	}
}
