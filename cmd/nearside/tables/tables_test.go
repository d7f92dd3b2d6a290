package tables_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/cmd/nearside/tables"
	"nearside/policy/calib"
)

// standard is the SHA-256 of the model that make setup installs.
const standard = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

func table(t *testing.T, sha256 string) *calib.Table {
	t.Helper()
	table, err := calib.Fit(calib.Model{Name: "m", SHA256: sha256}, []calib.Label{{Score: 0.5, Good: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestShipped: the default model has a calibration that was measured of it, in
// which surer answers are better ones.
func TestShipped(t *testing.T) {
	got, from, err := tables.Load("", standard)
	if err != nil || from != tables.Shipped {
		t.Fatalf("got it from %q: %v", from, err)
	}
	if n := got.Labels(""); n < 200 || got.Model().Quant != "Q4_1" {
		t.Errorf("%d labels of %v", n, got.Model())
	}
	low, _ := got.Good("chat", 0.05)
	high, n := got.Good("chat", 0.8)
	if low > 0.5 || high < 0.7 || n < 100 {
		t.Errorf("P(good) is %.2f of an unsure answer and %.2f of a sure one, of %d labels", low, high, n)
	}
}

func TestImported(t *testing.T) {
	state := t.TempDir()
	if err := tables.Save(state, table(t, standard)); err != nil {
		t.Fatal(err)
	}
	if err := tables.Save(state, table(t, strings.Repeat("ab", 32))); err != nil {
		t.Fatal(err)
	}
	got, from, err := tables.Load(state, standard)
	if err != nil || from != tables.Imported || got.Labels("") != 1 {
		t.Errorf("got %v from %q: %v", got, from, err)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "calibration", "new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLoadRefuses(t *testing.T) {
	state := t.TempDir()
	file := filepath.Join(state, "calibration", standard[:16]+".json")
	if err := tables.Save(state, table(t, standard)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := table(t, strings.Repeat("ab", 32)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text []byte
		want string
	}{
		{whole[:len(whole)/2], "cut or no calibration"},
		{make([]byte, calib.MaxFile+1), "a calibration has at most"},
		{foreign, "is of the model with SHA-256 abababababab"},
	} {
		if err := os.WriteFile(file, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tables.Load(state, standard); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	for _, other := range []string{"", "../../etc/passwd", strings.Repeat("cd", 32), strings.ToUpper(standard)} {
		if _, _, err := tables.Load(state, other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %v", other, err)
		}
	}
	if err := tables.Save(state, table(t, "../x")); err == nil || !strings.Contains(err.Error(), "64 hex digits") {
		t.Errorf("saved outside: %v", err)
	}
}
