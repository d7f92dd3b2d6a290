package weights_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearside/local/weights"
)

func TestQuantisation(t *testing.T) {
	for file, want := range map[string]string{
		"/models/SmolLM2-135M-Instruct.Q4_1.gguf": "Q4_1",
		"llama-3.2-3b-q4_k_m.gguf":                "Q4_K_M",
		"m_IQ3_XXS.gguf":                          "IQ3_XXS",
		"m-bf16.gguf":                             "BF16",
		"Q4_1/model.gguf":                         "",
		"model":                                   "",
		"":                                        "",
	} {
		if got := weights.Quantisation(file); got != want {
			t.Errorf("%q: got %q, want %q", file, got, want)
		}
	}
}

// ledger remembers in memory, unless it is broken.
type ledger map[string]string

func (l ledger) Fact(_ context.Context, name string) (string, bool, error) {
	v, ok := l[name]
	if l == nil {
		return "", false, errors.New("no room")
	}
	return v, ok, nil
}

func (l ledger) SetFact(_ context.Context, name, value string) error { l[name] = value; return nil }

// TestTrust: the catalogue's checksum counts, else that of the first load.
func TestTrust(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	known, first := ledger{}, ""
	for _, tt := range []struct {
		name, text, sha string
		ledger          weights.Ledger
		held            bool
		says            string
	}{
		{"nothing to hold it to yet", "one", "", nil, false, ""},
		{"the ledger is broken", "one", "", ledger(nil), false, "look up checksum: no room"},
		{"its first load", "one", "", known, true, ""},
		{"as then", "one", "", known, true, ""},
		{"another file", "two", "", known, false, "but its first load says"},
		{"by the catalogue", "one", "first", nil, true, ""},
		{"another than the catalogue's", "two", "first", known, false, "but the catalogue says"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		sum, err := weights.Sum(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = sum
		}
		f := weights.File{Model: "m", Path: path}
		if tt.sha != "" {
			f.SHA256 = strings.ToUpper(first)
		}
		held, err := f.Trust(t.Context(), sum, func() weights.Ledger { return tt.ledger })
		if held != tt.held || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %t, %v", tt.name, held, err)
		}
	}
	if known[weights.ChecksumFact("m")] != first {
		t.Errorf("recorded is %v", known)
	}
}

// TestStamp: a file that was written again is another.
func TestStamp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := weights.StampOf(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	stamp := func(text string) weights.Stamp {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := weights.StampOf(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := stamp("one")
	if again, err := weights.StampOf(path); err != nil || again != one {
		t.Errorf("got %v, then %v, %v", one, again, err)
	}
	if two := stamp("three"); two == one || two == (weights.Stamp{}) {
		t.Errorf("got %v twice", two)
	}
}
