package written_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"nearside/agent/config/policies"
	"nearside/agent/config/written"
)

// over puts a change over a document: rules before its own, the rest in place.
func over(doc, change map[string]any) {
	for key, v := range change {
		inner, isMap := v.(map[string]any)
		was, both := doc[key].(map[string]any)
		switch {
		case key == "rules":
			doc[key] = append(v.([]any), doc[key].([]any)...)
		case isMap && both:
			copied := maps.Clone(was)
			over(copied, inner)
			doc[key] = copied
		default:
			doc[key] = v
		}
	}
}

// TestCookbook: the recipes of docs/POLICY.md do what their cases say.
func TestCookbook(t *testing.T) {
	page, err := os.ReadFile("../../../docs/POLICY.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := regexp.MustCompile(`(?ms)^### (\d+\. [^\n]+)\n(.*?)(?:\z|^### )`)
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	text := strings.ReplaceAll(string(page), "\n### ", "\n### \n### ") // a match may not end where the next begins
	found := recipes.FindAllStringSubmatch(text, -1)
	if len(found) < 10 {
		t.Fatalf("%d recipes", len(found))
	}
	for _, r := range found {
		t.Run(r[1], func(t *testing.T) {
			yamls := blocks.FindAllStringSubmatch(r[2], -1)
			if len(yamls) != 2 {
				t.Fatalf("%d blocks, want a change and its cases", len(yamls))
			}
			cook(t, yamls[0][1], yamls[1][1])
		})
	}
}

// cook changes the default policy and runs cases.
func cook(t *testing.T, change, cases string) {
	t.Helper()
	text, _ := policies.Text(policies.Default)
	doc, with := map[string]any{}, map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(change), &with); err != nil {
		t.Fatal(err)
	}
	over(doc, with)
	changed, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := written.LoadPolicy(writePolicy(t, string(changed)))
	if err != nil {
		t.Fatalf("%v\n%s", err, changed)
	}
	path := filepath.Join(t.TempDir(), "cases.yaml")
	if err := os.WriteFile(path, []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := written.LoadCases(path)
	if err != nil || len(file.Cases) == 0 {
		t.Fatal(err)
	}
	for _, r := range file.Run(p) {
		if !r.OK {
			t.Errorf("%s: %+v", r.Name, r.Faults)
		}
	}
}
