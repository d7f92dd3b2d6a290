package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/agent/config"
	"nearside/agent/config/written"
)

func TestNoSuchProfile(t *testing.T) {
	c := config.Default()
	c.Policy = "profile:bike"
	if bad := c.Validate(); len(bad) != 1 || bad[0].Path != "policy" || !strings.Contains(bad[0].Message, "camera, car, kiosk") {
		t.Errorf("got %v", bad)
	}
}

// TestPolicyOfConfig: the config names a file, a profile or nothing; a file may
// name only targets that the config has.
func TestPolicyOfConfig(t *testing.T) {
	c := config.Default()
	c.Local.Models = []config.Model{{Name: "tiny"}}
	c.Cloud.Targets = []config.Target{{Name: "first"}}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	f := func(named, then, want string) {
		t.Helper()
		_, _, text := written.DefaultPolicy()
		text = strings.Replace(text, "\nrules:\n", "\nrules:\n  - {name: a, then: {"+then+"}}\n", 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Policy = named
		p, err := c.LoadPolicy()
		if want == "" && (err != nil || p.Doc == nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q, %s: got %+v, %v, want %s", named, then, p, err, want)
		}
	}
	f("", "", "")
	f("profile:car", "", "")
	f(path, "deny: [local/tiny, cloud], prefer: [cloud/first]", "")
	f(path, "prefer: [cloud, cloud/frist]", `rules[0].then.prefer[1]: "cloud/frist" is no target of the config; did you mean cloud/first?`)
	f(path, "prefer: [local/small]", `"local/small" is no target of the config`)
	f(path+".gone", "", "no such file")
}
