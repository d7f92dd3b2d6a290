package written_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
)

// TestProfiles: every policy that is built in can be read, and its cases hold.
func TestProfiles(t *testing.T) {
	want := []string{"default", "camera", "car", "kiosk", "phone", "robot"}
	if got := policies.Names(); !slices.Equal(got, want) {
		t.Fatalf("profiles are %v", got)
	}
	for _, name := range want {
		t.Run(name, func(t *testing.T) {
			doc, digest, text, err := written.Profile(name)
			if err != nil || len(digest) != 64 || text == "" {
				t.Fatalf("%v, digest %q", err, digest)
			}
			text, ok := policies.Cases(name)
			path := filepath.Join(t.TempDir(), name+".test.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil || !ok {
				t.Fatal(err)
			}
			file, err := written.LoadCases(path)
			if err != nil || len(file.Cases) < 9 {
				t.Fatalf("%v, %+v", err, file)
			}
			for _, r := range file.Run(doc) {
				if !r.OK {
					t.Errorf("%s: %+v", r.Name, r.Faults)
				}
			}
		})
	}
}

func TestNoSuchProfile(t *testing.T) {
	if _, _, _, err := written.Profile("bike"); err == nil || !strings.Contains(err.Error(), `no profile "bike"; there are default, camera`) {
		t.Errorf("got %v", err)
	}
}

// TestLoad: a policy is a file, a profile or the default; a file may name only
// targets that there are.
func TestLoad(t *testing.T) {
	targets := []string{"local/tiny", "cloud/first"}
	f := func(name, source string) {
		t.Helper()
		if p, err := written.Load(name, targets); err != nil || p.Source != source || p.Doc == nil || p.Digest == "" {
			t.Errorf("%q: got %+v, %v", name, p, err)
		}
	}
	rule := func(then string) string {
		return writePolicy(t, strings.Replace(goodPolicy, "rules: []", "rules:\n- name: a\n  then: {"+then+"}", 1))
	}
	f("", "built-in")
	f("profile:default", "built-in")
	f("profile:car", "profile:car")
	known := rule("deny: [local/tiny, cloud], prefer: [cloud/first]")
	f(known, known)
	strange := rule("prefer: [cloud, cloud/frist]")
	_, err := written.Load(strange, targets)
	want := `18:26: rules[0].then.prefer[1]: "cloud/frist" is no target of the config; did you mean cloud/first?`
	if got := faultsOf(err, strange); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, _, err := written.LoadPolicy(strange); err != nil {
		t.Errorf("without targets: %v", err)
	}
	if _, err := written.Load(filepath.Join(t.TempDir(), "none.yaml"), targets); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestHostilePolicies are refused with a place and a reason.
func TestHostilePolicies(t *testing.T) {
	big := goodPolicy + strings.Repeat("# filler\n", 10<<20/9)
	deep := strings.Replace(goodPolicy, "rules: []", "rules: [{name: a, when: "+strings.Repeat("{not: ", 40)+"{}"+strings.Repeat("}", 40)+", then: {deny: [cloud]}}]", 1)
	deeper := strings.Replace(goodPolicy, "rules: []", "rules: "+strings.Repeat("[", 5000), 1)
	many := strings.Replace(goodPolicy, "rules: []", "rules:\n"+strings.Repeat("- {name: a, then: {deny: [cloud]}}\n", 1001), 1)
	twice := strings.Replace(goodPolicy, "rules: []", "rules:\n- {name: a, then: {deny: [cloud]}}\n- {name: a, then: {deny: [local]}}", 1)
	for _, tt := range []struct{ name, text, says string }{
		{"10 MB", big, "is larger than 1024 KiB"},
		{"deep conditions", deep, "nested deeper than 16"},
		{"deep text", deeper, "16:72: is nested too deep"},
		{"many rules", many, "16:1: rules: has 1001 entries; at most 1000"},
		{"a rule twice", twice, `18:4: rules[1].name: "a" is there twice`},
		{"NaN", strings.Replace(goodPolicy, "near: 0.4", "near: .nan", 1), "8:3: weights.near: must be a number, not infinity or nan"},
		{"infinity", strings.Replace(goodPolicy, "near: 0.4", "near: .inf", 1), "8:3: weights.near: must be a number, not infinity or nan"},
		{"negative", strings.Replace(goodPolicy, "near: 0.4", "battery: -0.1", 1), "8:3: weights.battery: -0.1 must be a number from 0 to 1000"},
	} {
		if _, _, err := written.LoadPolicy(writePolicy(t, tt.text)); err == nil || !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 2000 {
			t.Errorf("%s: got %.300v, want %s", tt.name, err, tt.says)
		}
	}
}
