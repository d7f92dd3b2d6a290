package calib

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Version of the form of a table's file.
const Version = 1

// MaxFile is how many bytes the file of a table may have.
const MaxFile = 4 << 20

const format = "nearside-calibration"

// file is a table as it is written: the sum is over the compact text of the
// table.
type file struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Table   json.RawMessage `json:"table"`
}

// body is the table in its file. Only counts are written: curves are computed
// from them, so that no file can hold a curve that falls.
type body struct {
	Model  Model            `json:"model"`
	Pooled []Bin            `json:"pooled"`
	Tasks  map[string][]Bin `json:"tasks"`
}

// Encode is the table as a file, JSON of one bin a line.
func (t *Table) Encode() ([]byte, error) {
	b := body{Model: t.model, Pooled: t.pooled.bins, Tasks: map[string][]Bin{}}
	for name, r := range t.tasks {
		b.Tasks[name] = r.bins
	}
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode calibration: %w", err)
	}
	out, err := json.Marshal(file{Format: format, Version: Version, SHA256: sum(text), Table: text})
	if err != nil {
		return nil, fmt.Errorf("encode calibration: %w", err)
	}
	return append(bytes.ReplaceAll(out, []byte("},{"), []byte("},\n{")), '\n'), nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// Decode reads a table's file. It refuses what is cut, altered, of another
// version or out of bounds, and names the field.
func Decode(text []byte) (*Table, error) {
	t, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	return t, nil
}

func decode(text []byte) (*Table, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("%d bytes: at most %d", len(text), MaxFile)
	}
	var f file // first of any version, whose fields need not be known
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&f); err != nil {
		return nil, fmt.Errorf("cut or no calibration: %w", err)
	}
	if f.Format != format {
		return nil, fmt.Errorf("format is %q: it must be %q", f.Format, format)
	}
	if f.Version != Version {
		return nil, fmt.Errorf("version is %d: this program reads %d; export the table again with a program of this version", f.Version, Version)
	}
	f = file{}
	if err := strict(text, &f); err != nil {
		return nil, fmt.Errorf("no calibration: %w", err)
	}
	var plain bytes.Buffer
	if err := json.Compact(&plain, f.Table); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if got := sum(plain.Bytes()); got != f.SHA256 {
		return nil, fmt.Errorf("sha256 is %.16q, the table's is %.16q: the file was altered", f.SHA256, got)
	}
	var b body
	if err := strict(f.Table, &b); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	return b.table()
}

// strict decodes one JSON value whose fields are all known.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return errors.New("there is more after the end")
	}
	return nil
}

// table checks what a file says.
func (b *body) table() (*Table, error) {
	if err := b.Model.check(); err != nil {
		return nil, fmt.Errorf("table.model.%w", err)
	}
	if err := checkBins(b.Pooled); err != nil {
		return nil, fmt.Errorf("table.pooled%w", err)
	}
	if len(b.Tasks) > MaxTasks {
		return nil, fmt.Errorf("table.tasks has %d classes: at most %d", len(b.Tasks), MaxTasks)
	}
	t := &Table{model: b.Model, pooled: recordOf(b.Pooled), tasks: map[string]record{}}
	for name, own := range b.Tasks {
		if name == "" || len(name) > MaxName {
			return nil, fmt.Errorf("table.tasks has a name of %d bytes: it must be 1 to %d", len(name), MaxName)
		}
		if strings.ContainsFunc(name, unicode.IsControl) {
			return nil, fmt.Errorf("table.tasks has the name %q: it must be without control characters", name)
		}
		if err := checkBins(own); err != nil {
			return nil, fmt.Errorf("table.tasks.%s%w", name, err)
		}
		t.tasks[name] = recordOf(own)
	}
	return t, nil
}

func (m Model) check() error {
	for _, f := range []struct{ name, text string }{{"name", m.Name}, {"sha256", m.SHA256}, {"quant", m.Quant}} {
		if len(f.text) > MaxName {
			return fmt.Errorf("%s has %d bytes: at most %d", f.name, len(f.text), MaxName)
		}
		if strings.ContainsFunc(f.text, unicode.IsControl) {
			return fmt.Errorf("%s is %q: it must be without control characters", f.name, f.text)
		}
	}
	if m.SHA256 == "" {
		return errors.New("sha256 is missing: it must identify the model")
	}
	return nil
}

// checkBins tells the first thing that is wrong with bins, with its path.
func checkBins(bins []Bin) error {
	if len(bins) == 0 || len(bins) > MaxBins {
		return fmt.Errorf(" has %d bins: it must be 1 to %d", len(bins), MaxBins)
	}
	if !slices.IsSortedFunc(bins, func(a, b Bin) int { return int(math.Copysign(1, a.Score-b.Score)) }) {
		return errors.New(": the scores of bins must rise")
	}
	for i, b := range bins {
		if wrong := b.wrong(); wrong != "" {
			return fmt.Errorf("[%d].%s", i, wrong)
		}
	}
	return nil
}

// slack is what sums of rounded weights may be apart.
const slack = 1e-9

// wrong tells the field that cannot be, and what it must be; empty when there
// is none.
func (b Bin) wrong() string {
	more := b.Weight * (1 + slack)
	for _, f := range []struct {
		name           string
		value, low, up float64
	}{
		{"score", b.Score, -MaxScore, MaxScore}, {"low", b.Low, -MaxScore, b.Score + slack*math.Abs(b.Score)},
		{"labels", float64(b.Labels), 1, 1e9}, {"weight", b.Weight, 1e-9, 1e15},
		{"squares", b.Squares, b.Weight * b.Weight / float64(max(1, b.Labels)) * (1 - slack), more * more},
		{"good", b.Good, 0, more}, {"judged", b.Judged, 0, more}, {"gain", b.Gain, -b.Judged * (1 + slack), b.Judged * (1 + slack)},
	} {
		if !(f.value >= f.low && f.value <= f.up) {
			return fmt.Sprintf("%s is %v: it must be %s", f.name, f.value, strings.TrimSpace(fmt.Sprintf("%.4g to %.4g", f.low, f.up)))
		}
	}
	return ""
}
