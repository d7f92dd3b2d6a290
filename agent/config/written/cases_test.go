package written_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/written"
	"nearside/policy/valid"
)

const twoCases = `
targets:
  - {name: local/mine}
  - {name: cloud/far, price: {input: 1, output: 2}}
cases:
  - name: near first
    ask: {task: chat}
    want: {route: local, target: local/mine}
  - name: hot and offline
    ask: {task: math, needs: {tools: true}, privacy: private}
    signals: {network: offline, temperature_c: 99, charging: true}
    time: 2026-06-07T23:30:00+02:00
    down: [local/mine]
    want: {route: none, reason: rule_hot_critical, not_chosen: {cloud/far: private}}
`

// file writes a file of a test.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadCases(t *testing.T) {
	f, err := written.LoadCases(file(t, twoCases))
	if err != nil {
		t.Fatal(err)
	}
	doc, _, _ := written.DefaultPolicy()
	for _, r := range f.Run(doc) {
		if !r.OK {
			t.Errorf("%s: %+v", r.Name, r.Faults)
		}
	}
	ask := f.Cases[1].Ask
	if ask.Service != "chat" || ask.DeadlineMS != 60_000 || !ask.Needs.Tools || f.Cases[1].Time.Hour() != 23 {
		t.Errorf("read %+v at %v", ask, f.Cases[1].Time)
	}
}

func TestLoadCasesFaults(t *testing.T) {
	f := func(old, new, want string) {
		t.Helper()
		_, err := written.LoadCases(file(t, strings.Replace(twoCases, old, new, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", new, err, want)
		}
	}
	f("near first", "hot and offline", `file.yaml:9:5: cases[1].name: "hot and offline" is there twice`)
	f("route: local", "route: near", `file.yaml:8:12: cases[0].want.route: "near" must be one of local, cloud`)
	f("temperature_c: 99", "temperature_c: 999", "file.yaml:11:33: cases[1].signals.temperature_c: temperature_c must be a number from -60 to 150")
	f("temperature_c: 99", "temperature: 99", `"temperature" is not a signal; known are`)
	f("task: math", "tusk: math", "file.yaml:10:11: cases[1].ask.tusk: unknown key; did you mean task?")
	f("far, price", "far, usable: 1, price", "targets[1].usable: must be true or false")
	f("down: [local/mine]", "down: [local/yours]", `"local/yours" must be one of local/mine, cloud/far`)
	if _, err := written.LoadCases(filepath.Join(t.TempDir(), "none")); err == nil || !strings.HasPrefix(err.Error(), "read cases: ") {
		t.Errorf("got %v", err)
	}
}

func TestDraft(t *testing.T) {
	_, _, text := written.DefaultPolicy()
	d, err := written.OpenDraft(file(t, strings.Replace(text, "stale, refuse]", "stale]", 1)))
	if err != nil || len(valid.Check(d.Doc)) == 0 || len(d.Digest) != 64 {
		t.Fatalf("got %v, %+v", err, d)
	}
	if line, column := d.Place("services.chat.ladder[9]"); line != 8 || column != 5 {
		t.Errorf("the ladder is at %d:%d", line, column)
	}
	if _, err := written.OpenDraft(file(t, "wieghts: {}")); err == nil || !strings.Contains(err.Error(), "did you mean weights?") {
		t.Errorf("got %v", err)
	}
}

func FuzzLoadCases(f *testing.F) {
	doc, _, _ := written.DefaultPolicy()
	f.Add([]byte(twoCases))
	f.Add([]byte("cases: [{name: a, signals: {battery_pct: nan}, want: {route: stale}}]"))
	fuzz(f, func(path string) error {
		file, err := written.LoadCases(path)
		if err == nil {
			file.Run(doc)
		}
		return err
	})
}
