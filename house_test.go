// Package house holds the whole tree to its rules: which package may know
// which, and that each one says what it is for.
package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows are the packages of ours that each package may import. Another arrow
// is a decision: make it here first.
var arrows = map[string][]string{
	"cmd/nearside":            {"agent", "agent/config", "agent/config/strict", "agent/server/control", "agent/server/feed", "agent/server/status", "cmd/nearside/asking", "cmd/nearside/daemon", "cmd/nearside/doctor", "cmd/nearside/entrance", "cmd/nearside/fleet", "cmd/nearside/helm", "cmd/nearside/lessons", "cmd/nearside/lines", "cmd/nearside/policies", "cmd/nearside/shell", "local/sandbox", "local/weights", "policy/meant"},
	"cmd/nearside/policies":   {"agent", "agent/config", "agent/config/policies", "agent/config/strict", "agent/config/written", "agent/server/steering", "agent/task", "cmd/nearside/shell", "cmd/nearside/tables", "local/weights", "policy", "policy/cases", "policy/diff", "policy/lint", "policy/replay", "policy/simulate"},
	"cmd/nearside/shell":      {"agent/config", "agent/server/steering", "cmd/nearside/whole"},
	"cmd/nearside/lessons":    {"agent/config", "agent/learn", "agent/learn/standing", "agent/server/status", "cmd/nearside/shell", "cmd/nearside/tables", "local/weights", "policy/calib", "policy/gate"},
	"cmd/nearside/asking":     {"agent", "agent/openai/completion", "agent/openai/sse", "cmd/nearside/policies", "cmd/nearside/shell", "cmd/nearside/tell", "policy", "policy/whatif"},
	"cmd/nearside/fleet":      {"agent/config/secret", "agent/config/strict", "agent/config/written", "agent/task", "cloud/fleet/simulate", "cloud/push", "cmd/nearside/kinds", "cmd/nearside/operator", "cmd/nearside/operator/link", "cmd/nearside/shell", "cmd/nearside/signer", "policy", "policy/lint", "policy/seal"},
	"cmd/nearside/signer":     {"agent/config/strict", "policy/seal"},
	"cmd/nearside/tell":       {"agent", "policy", "policy/whatif"},
	"cmd/nearside/daemon":     {"agent", "agent/config", "agent/learn", "agent/learn/audit", "agent/learn/label", "agent/learn/standing", "agent/openai", "agent/openai/rolling", "agent/schema", "agent/server", "agent/server/control", "agent/server/feed", "agent/server/metrics", "agent/server/signals", "agent/server/status", "agent/server/steering", "agent/task", "cloud", "cloud/network", "cmd/nearside/changes", "cmd/nearside/cores", "cmd/nearside/entrance", "cmd/nearside/heap", "cmd/nearside/helm", "cmd/nearside/herald", "cmd/nearside/judge", "cmd/nearside/late", "cmd/nearside/tables", "local", "local/intent", "local/sandbox", "local/sense", "local/weights", "policy", "policy/bind", "policy/calib", "policy/gate", "policy/lint", "store", "store/file"},
	"cmd/nearside/entrance":   {"agent/config", "agent/server/callers", "agent/server/listen"},
	"cmd/nearside/helm":       {"agent", "agent/config", "agent/config/remote", "agent/config/strict", "agent/config/written", "agent/server/status", "agent/server/steering", "cloud/network", "cloud/pull", "cloud/push", "cloud/report", "cloud/steer", "cloud/steer/news", "cloud/wire", "cmd/nearside/judge", "cmd/nearside/kinds", "cmd/nearside/late", "cmd/nearside/twofold", "local/sense", "policy", "policy/bind", "policy/calib", "policy/seal", "policy/trial"},
	"cmd/nearside/cores":      {},
	"cmd/nearside/heap":       {"agent/server", "local/sense"},
	"cmd/nearside/changes":    {"agent/server/status"},
	"cmd/nearside/judge":      {"agent/config/remote", "agent/config/written", "policy", "policy/bind", "policy/decide", "policy/lint", "policy/seal", "policy/weigh"},
	"cmd/nearside/lines":      {},
	"cmd/nearside/late":       {"cloud/push", "local/weights", "store"},
	"cmd/nearside/herald":     {},
	"cmd/nearside/kinds":      {"agent/config", "agent/config/strict", "cloud/parcel", "policy", "policy/bind", "policy/calib", "policy/gate", "policy/seal", "policy/trial"},
	"cmd/nearside/tables":     {"cmd/nearside/whole", "policy/calib"},
	"cmd/nearside/doctor":     {"agent/config", "agent/config/remote", "agent/config/secret", "agent/config/strict", "agent/openai/client", "agent/openai/fault", "agent/server/callers", "agent/server/listen", "agent/server/status", "agent/server/steering", "local", "local/sense", "local/weights", "policy/seal", "store"},
	"cmd/fakecloud":           {"cmd/fakecloud/fake"},
	"cmd/fakecloud/fake":      {"cmd/fakecloud/fake/chat"},
	"cmd/fakecloud/fake/chat": {},
	"build/bench":             {"agent/config/written", "policy", "policy/decide", "policy/valid"},
	"build/bench/proxy":       {},
	"build/port":              {},
	"build/rehearsal":         {"build/port"},
	"build/soak":              {"cmd/fakecloud/fake"},
	"build/eval":              {"policy/calib", "policy/deferral", "policy/gate"},
	"agent":                   {"agent/decision", "agent/kept", "agent/openai", "agent/openai/completion", "agent/openai/embed", "agent/openai/fault", "agent/task", "agent/trace", "policy", "policy/decide", "policy/past", "policy/whatif"},
	"agent/config":            {"agent/config/policies", "agent/config/remote", "agent/config/secret", "agent/config/strict", "agent/config/written", "agent/schema", "policy"},
	"agent/decision":          {"agent/openai", "agent/openai/fault", "policy", "policy/scribe"},
	"agent/learn":             {"agent", "agent/decision", "agent/learn/agree", "agent/learn/audit", "agent/learn/label", "agent/learn/standing", "agent/openai/completion", "policy", "policy/calib"},
	"agent/learn/agree":       {},
	"agent/learn/audit":       {"agent", "agent/learn/agree", "agent/learn/label", "agent/openai", "policy", "policy/decide"},
	"agent/learn/label":       {"agent", "agent/openai", "policy", "policy/deferral"},
	"agent/learn/standing":    {"agent/decision", "agent/learn/label", "policy", "policy/calib", "policy/deferral"},
	"agent/task":              {"agent/openai", "agent/openai/embed"},
	"agent/kept":              {"agent/openai", "agent/openai/inplace"},
	"agent/trace":             {},
	"agent/config/policies":   {},
	"agent/config/written":    {"agent/config/policies", "agent/config/scenarios", "agent/config/strict", "policy", "policy/cases", "policy/simulate", "policy/valid"},
	"agent/config/remote":     {"agent/config/secret"},
	"agent/config/secret":     {"agent/config/strict"},
	"agent/config/strict":     {"policy/meant"},
	"agent/openai":            {"agent/openai/completion", "agent/openai/fault", "agent/openai/inplace"},
	"agent/openai/completion": {"agent/openai/fault", "agent/openai/inplace", "agent/openai/sse"},
	"agent/openai/sse":        {"agent/openai/fault"},
	"agent/openai/client":     {"agent/openai/completion", "agent/openai/fault", "agent/openai/h1", "agent/openai/inplace"},
	"agent/openai/rolling":    {"agent/openai"},
	"agent/openai/fault":      {"agent/openai/inplace"},
	"agent/schema":            {},
	"agent/openai/inplace":    {},
	"agent/openai/embed":      {"agent/openai", "agent/openai/completion", "agent/openai/fault", "agent/openai/inplace"},
	"agent/openai/h1":         {},
	"agent/server":            {"agent", "agent/openai", "agent/openai/completion", "agent/openai/embed", "agent/openai/fault", "agent/schema", "agent/server/callers", "agent/server/control", "agent/server/feed", "agent/server/headers", "agent/server/listen", "agent/server/replies", "agent/server/signals", "agent/server/status", "agent/server/steering", "agent/trace"},
	"agent/server/control":    {"agent/learn", "agent/openai/fault", "agent/server/callers", "agent/server/feed", "agent/server/replies", "agent/server/signals", "agent/server/status"},
	"agent/server/headers":    {"agent", "agent/openai/fault", "policy"},
	"agent/server/replies":    {"agent", "agent/openai/fault", "agent/server/callers", "policy"},
	"agent/server/status":     {"agent/learn", "agent/server/callers", "agent/server/steering"},
	"agent/server/signals":    {"agent/openai/fault", "policy"},
	"agent/server/steering":   {"agent/openai/fault", "agent/server/callers", "agent/server/replies"},
	"agent/server/callers":    {},
	"agent/server/listen":     {},
	"local":                   {"agent/openai", "agent/openai/client", "agent/openai/completion", "agent/openai/fault", "agent/openai/h1", "agent/openai/rolling", "local/confidence", "local/sandbox", "local/weights"},
	"local/intent":            {"agent/openai", "agent/openai/completion", "agent/openai/fault", "agent/openai/rolling", "policy/gate"},
	"local/confidence":        {"agent/openai/completion"},
	"local/sandbox":           {},
	"local/weights":           {},
	"agent/server/feed":       {},
	"agent/server/metrics":    {"agent", "agent/learn", "agent/learn/standing", "agent/server", "agent/server/feed", "agent/server/status", "agent/server/steering"},
	"local/sense":             {},
	"cloud":                   {"agent/openai", "agent/openai/client", "agent/openai/completion", "agent/openai/fault", "agent/openai/h1", "agent/openai/rolling", "cloud/network", "cloud/ways"},
	"cloud/fleet/simulate":    {"cloud/push", "cloud/report", "cloud/steer", "cloud/steer/news", "cloud/wire", "policy", "policy/decide", "policy/seal", "policy/trial"},
	"cloud/network":           {},
	"cloud/ways":              {"cloud/network"},
	"cloud/parcel":            {},
	"cloud/pull":              {},
	"cloud/report":            {"cloud/steer/news", "cloud/wire", "policy/seal"},
	"cloud/push":              {"cloud/push/pipe", "cloud/wire"},
	"cloud/push/pipe":         {"cloud/wire"},
	"cloud/wire":              {},
	"cloud/fleet":             {"cloud/fleet/broker", "cloud/fleet/stages", "cloud/wire", "policy/seal"},
	"cloud/fleet/broker":      {},
	"cloud/fleet/stages":      {"cloud/wire", "policy/seal"},
	"policy":                  {},
	"policy/decide":           {"policy", "policy/weigh"},
	"policy/weigh":            {"policy"},
	"policy/gate":             {},
	"policy/seal":             {"policy/seal/exact"},
	"policy/seal/exact":       {},
	"policy/valid":            {"policy"},
	"policy/bind":             {"policy"},
	"policy/calib":            {},
	"policy/deferral":         {},
	"policy/cases":            {"policy", "policy/decide"},
	"policy/cond":             {"policy"},
	"policy/diff":             {"policy", "policy/cond", "policy/decide", "policy/whatif"},
	"policy/lint":             {"policy", "policy/cond", "policy/valid"},
	"policy/past":             {"policy"},
	"policy/meant":            {},
	"policy/whatif":           {"policy", "policy/decide", "policy/meant"},
	"policy/replay":           {"policy", "policy/decide", "policy/weigh"},
	"policy/scribe":           {"policy"},
	"policy/simulate":         {"policy", "policy/decide"},
	"policy/trial":            {"policy/seal"},
	"cloud/steer":             {"cloud/steer/news", "policy/seal", "policy/trial"},
	"cloud/steer/news":        {"policy/seal", "policy/trial"},
	"cmd/nearside/twofold":    {},
	"cmd/nearside/whole":      {},
	"agent/config/scenarios":  {},
	"store":                   {"store/file", "store/shelf"},
	"store/file":              {},
	"store/shelf":             {"store/file"},

	"cmd/nearside/operator":          {"agent/config/strict", "cloud/fleet", "cloud/fleet/broker", "cloud/fleet/stages", "cloud/wire", "cmd/nearside/operator/forecast", "cmd/nearside/operator/link", "cmd/nearside/operator/views", "cmd/nearside/shell", "cmd/nearside/signer", "policy/seal"},
	"cmd/nearside/operator/forecast": {"agent", "agent/config/strict", "agent/config/written", "cloud/fleet", "cmd/nearside/judge", "cmd/nearside/operator/link", "cmd/nearside/operator/views", "cmd/nearside/policies", "cmd/nearside/shell", "policy", "policy/cases", "policy/diff", "policy/replay", "policy/seal"},
	"cmd/nearside/operator/link":     {"agent/config/strict", "cloud/fleet", "cloud/fleet/broker", "cmd/nearside/shell", "cmd/nearside/signer", "policy/meant", "policy/seal"},
	"cmd/nearside/operator/views":    {"cloud/fleet", "cloud/fleet/broker", "cloud/fleet/stages", "cmd/nearside/operator/link", "cmd/nearside/shell"},
}

// pure are packages that know only the standard library, and of it nothing
// that touches the world.
var pure = []string{"agent/learn/agree", "cloud/fleet/stages", "cloud/network", "policy", "policy/bind", "policy/calib", "policy/cases", "policy/cond", "policy/decide", "policy/deferral", "policy/diff", "policy/gate", "policy/lint", "policy/meant", "policy/past", "policy/replay", "policy/scribe", "policy/seal", "policy/seal/exact", "policy/simulate", "policy/trial", "policy/valid", "policy/weigh", "policy/whatif"}

// worldly are standard packages that reach outside the program.
var worldly = []string{"net", "net/http", "os", "os/exec", "io", "log", "log/slog", "math/rand", "math/rand/v2", "sync", "syscall", "unsafe"}

type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	Standard   bool
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "nearside"), "/")
		if name == "" {
			continue // this test's own
		}
		allowed, listed := arrows[name]
		if !listed {
			t.Errorf("%s is not in the table of arrows", name)
		}
		seen[name] = true
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "nearside/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s may not import %s", name, ours)
			}
		}
	}
	for name := range arrows {
		if !seen[name] {
			t.Errorf("%s is in the table of arrows and does not exist", name)
		}
	}
}

func TestPure(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, strings.TrimPrefix(p.ImportPath, "nearside/")) {
			continue
		}
		for _, i := range p.Imports {
			if strings.Contains(i, ".") || slices.Contains(worldly, i) {
				t.Errorf("%s is pure and may not import %s", p.ImportPath, i)
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath == "nearside" {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s has no doc comment that begins with %q", p.ImportPath, want)
		}
	}
}

// TestRooms: docs/ARCHITECTURE.md says of each package what it is, once.
func TestRooms(t *testing.T) {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("[a-z0-9/]+").FindAllString(row[1], -1) {
			named[name]++
		}
	}
	for name := range arrows {
		if named[name] != 1 {
			t.Errorf("docs/ARCHITECTURE.md has %d rows for %s", named[name], name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("docs/ARCHITECTURE.md names %s, which is no package", name)
	}
}

// TestNamedTests: the tests that docs/SECURITY.md relies on exist, also their
// cases, written as `TestName/the case`.
func TestNamedTests(t *testing.T) {
	text, err := os.ReadFile("docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	there := testsIn(t)
	for _, name := range regexp.MustCompile("(Test|Fuzz)[A-Z][A-Za-z]+").FindAllString(string(text), -1) {
		if there[name] == "" {
			t.Errorf("docs/SECURITY.md names %s, which is no test", name)
		}
	}
	cases := regexp.MustCompile("`(Test[A-Za-z]+)/([^`]+)`").FindAllStringSubmatch(string(text), -1)
	if len(cases) < 40 {
		t.Errorf("docs/SECURITY.md names %d cases, and there are more attacks than that", len(cases))
	}
	for _, c := range cases {
		if !strings.Contains(there[c[1]], strconv.Quote(c[2])) {
			t.Errorf("docs/SECURITY.md names %s/%s, which is no case of it", c[1], c[2])
		}
	}
}

// testsIn are the tests and fuzz targets of the tree, each with all the text of
// the files that have one of its name.
func testsIn(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	begin := regexp.MustCompile(`(?m)^func (Test|Fuzz)\w+`)
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, line := range begin.FindAllString(string(text), -1) {
			all[strings.TrimPrefix(line, "func ")] += string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
