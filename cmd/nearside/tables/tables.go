// Package tables finds the calibration of a local model: what an operator
// imported into the state folder, else what ships with the program. It is the
// one place that touches their files; what they mean is said in policy/calib.
package tables

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nearside/cmd/nearside/whole"
	"nearside/policy/calib"
)

// Where a table comes from.
const (
	Imported = "imported"
	Shipped  = "shipped"
)

// shipped was measured of the default model with `nearside calibrate measure`,
// see docs/EVAL.md.
//
//go:embed smollm2-135m.json
var shipped []byte

// Load is the table of the model whose file has this SHA-256, in hex, and where
// it comes from. A table of another model is none, however alike the name.
// Without one the error is [fs.ErrNotExist]; an imported file that cannot be
// used is an error too, and no other table takes its place.
func Load(state, sha256 string) (t *calib.Table, from string, err error) {
	t, err = imported(state, sha256)
	if !errors.Is(err, fs.ErrNotExist) {
		return t, Imported, err
	}
	t, err = calib.Decode(shipped)
	if err != nil {
		return nil, "", err
	}
	if t.Model().SHA256 != sha256 {
		return nil, "", fmt.Errorf("no calibration for the model with SHA-256 %.12s: %w", sha256, fs.ErrNotExist)
	}
	return t, Shipped, nil
}

// Standard is the model whose table ships.
func Standard() (calib.Model, error) {
	t, err := calib.Decode(shipped)
	if err != nil {
		return calib.Model{}, err
	}
	return t.Model(), nil
}

func imported(state, sha256 string) (*calib.Table, error) {
	if state == "" || !digest(sha256) {
		return nil, fs.ErrNotExist
	}
	path := file(state, sha256)
	t, err := Read(path)
	if err != nil {
		return nil, err
	}
	if t.Model().SHA256 != sha256 {
		return nil, fmt.Errorf("%s is of the model with SHA-256 %.12s, not of %.12s", path, t.Model().SHA256, sha256)
	}
	return t, nil
}

// Read reads a table's file.
func Read(path string) (*calib.Table, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > calib.MaxFile {
		return nil, fmt.Errorf("%s has %d bytes: a calibration has at most %d", path, info.Size(), calib.MaxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := calib.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Save puts a table into the state folder, whole or not at all.
func Save(state string, t *calib.Table) error {
	if !digest(t.Model().SHA256) {
		return fmt.Errorf("the table is of a model with SHA-256 %q: it must be 64 hex digits", t.Model().SHA256)
	}
	text, err := t.Encode()
	if err != nil {
		return err
	}
	path := file(state, t.Model().SHA256)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep calibration: %w", err)
	}
	if err := whole.Write(path, text, 0o600); err != nil {
		return fmt.Errorf("keep calibration: %w", err)
	}
	return nil
}

func file(state, sha256 string) string {
	return filepath.Join(state, "calibration", sha256[:16]+".json")
}

// digest tells whether a text is a SHA-256 in lower-case hex, and so may be
// part of a file's name.
func digest(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return len(s) == 64
}
