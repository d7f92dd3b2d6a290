package written

import (
	"fmt"
	"strings"

	"nearside/agent/config/scenarios"
	"nearside/agent/config/strict"
	"nearside/policy/simulate"
)

// LoadScenario reads a file that says how a day goes, and checks it. The error
// is like that of [Load].
func LoadScenario(path string) (*simulate.Scenario, error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return parseScenario(path, text)
}

// Scenario is a day that is built in, and its text.
func Scenario(name string) (s *simulate.Scenario, text string, err error) {
	text, ok := scenarios.Text(name)
	if !ok {
		return nil, "", fmt.Errorf("there is no day %.40q; there are %s", name, strings.Join(scenarios.Names(), ", "))
	}
	s, err = parseScenario("the day "+name, []byte(text))
	return s, text, err
}

func parseScenario(name string, text []byte) (*simulate.Scenario, error) {
	s := &simulate.Scenario{}
	d := strict.Decode(name, text, s)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return s, report(d, s.Validate())
}
