package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config"
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

func FuzzLoad(f *testing.F) {
	f.Setenv("XDG_CACHE_HOME", f.TempDir())
	for _, seed := range []string{full, private, target, shop, "a: &a [*a]", "? a", "- - -\n -", "a: |\n b\n c: >-\n", "{a: [}", "<<: x", "!!a b: c"} {
		f.Add([]byte(seed))
	}
	fuzz(f, func(path string) error {
		c, err := config.Load(path)
		if err == nil {
			_, err = c.Show()
		}
		return err
	})
}
