package written

import (
	"fmt"

	"nearside/agent/config/strict"
	"nearside/policy/cases"
)

// LoadCases reads a file of cases for a policy and checks it. The error is like
// that of [Load].
func LoadCases(path string) (*cases.File, error) {
	text, err := strict.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	f := &cases.File{}
	d := strict.Decode(path, text, f)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return f, report(d, f.Validate())
}
