package written_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
)

// fuzz feeds files to a loader. It must return, and an error must begin with
// what was read.
func fuzz(f *testing.F, load func(path string) error) {
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "file.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := load(path); err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("error without the file: %v", err)
		}
	})
}

func FuzzLoadPolicy(f *testing.F) {
	for _, name := range policies.Names() {
		text, _ := policies.Text(name)
		f.Add([]byte(text))
	}
	f.Add([]byte("rules: [{name: a, when: {time: {from: '22:00', to: '06:00', days: [fri]}}, dwell_ms: 5, then: {limit: {max_cost_usd: 1}, require: {schema: true}}}]"))
	f.Add([]byte("rules: [{name: a, when: {not: {any: [{field: stream, is: true}]}}, then: {deny: [cloud]}}]"))
	fuzz(f, func(path string) error {
		_, _, err := written.LoadPolicy(path)
		return err
	})
}

// faultsOf gives an error without the name of the file.
func faultsOf(err error, path string) string {
	if err == nil {
		return "no error"
	}
	return strings.ReplaceAll(err.Error(), path+":", "")
}
