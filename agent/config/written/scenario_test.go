package written_test

import (
	"strings"
	"testing"

	"nearside/agent/config/scenarios"
	"nearside/agent/config/written"
	"nearside/policy/simulate"
)

func TestScenarios(t *testing.T) {
	for _, name := range scenarios.Names() {
		s, text, err := written.Scenario(name)
		if err != nil || s.Name != name || text == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := written.Scenario("bike"); err == nil || !strings.Contains(err.Error(), `no day "bike"; there are camera, car`) {
		t.Errorf("got %v", err)
	}
}

func TestLoadScenarioFaults(t *testing.T) {
	_, text, err := written.Scenario("phone")
	if err != nil {
		t.Fatal(err)
	}
	f := func(old, new, want string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("no %s", old)
		}
		_, err := written.LoadScenario(file(t, strings.Replace(text, old, new, 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", new, err, want)
		}
	}
	f("breakfast, from", "breakfast, form", "file.yaml:7:23: phases[1].form: unknown key; did you mean from?")
	f(`breakfast, from: "07:00"`, `breakfast, from: "00:00"`, `phases[1].from: "00:00" must be later than that of the one before`)
	f(`breakfast, from: "07:00"`, `breakfast, from: "7:00"`, `phases[1].from: "7:00" must be a time of the day`)
	f("repeats: 0.15", "repeats: 1.5", "asks[0].repeats: 1.5 must be from 0 to 1")
	f("task: chat, privacy: private", "task: chat, privacy: secret", `asks[2].privacy: "secret" must be normal or private`)
	f("battery_pct:", "battery:", "signals.battery: is not a number among the signals; those are cpu_pct")
	f("noise: 0.8", "noise: 500", "signals.battery_pct.noise: 500 must be from 0 to 100")
	f(`"02:00": 100`, `"02:00": 101`, "signals.battery_pct.points.02:00: 101 must be from 0 to 100")
	f("charging: {", "driving: {", "flags.driving: is not a flag among the signals")
	f("portal", "porthole", `network.19:10: "porthole" must be one of`)
	f("name: local/small", "name: small", `targets[0].name: "small" must be local/NAME or cloud/NAME`)
	f("target: cloud/first", "target: cloud/none", `outages[0].target: "cloud/none" is not among the targets`)
	f(`to: "15:20"`, `to: "14:20"`, "outages[0].to: must be later than from")
}

func FuzzLoadScenario(f *testing.F) {
	doc, _, _ := written.DefaultPolicy()
	for _, name := range scenarios.Names() {
		_, text, _ := written.Scenario(name)
		f.Add([]byte(text))
	}
	fuzz(f, func(path string) error {
		s, err := written.LoadScenario(path)
		if err == nil && len(s.Asks) < 4 && len(s.Targets) < 4 {
			s.StepS = 600
			simulate.Run(simulate.Options{Policy: doc, Scenario: s}).SVG()
		}
		return err
	})
}
