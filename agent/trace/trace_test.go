package trace_test

import (
	"regexp"
	"strings"
	"testing"

	"nearside/agent/trace"
)

const (
	id   = "4bf92f3577b34da6a3ce929d0e0e4736"
	span = "00f067aa0ba902b7"
)

var whole = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)

// TestFrom reads headers that are valid, as the id and flags that go on, and
// such that are not, as "".
func TestFrom(t *testing.T) {
	for header, want := range map[string]string{
		"00-" + id + "-" + span + "-01":                         id + " 01",
		"00-" + id + "-" + span + "-00":                         id + " 00",
		"00-" + id + "-" + span + "-ff":                         id + " 01", // flags nobody knows
		"00-" + id + "-" + span + "-0a":                         id + " 00",
		"cc-" + id + "-" + span + "-01":                         id + " 01", // a later version
		"cc-" + id + "-" + span + "-01-what-comes":              id + " 01",
		"cc-" + id + "-" + span + "-01.what":                    "",
		"00-" + id + "-" + span + "-01-more":                    "",
		"ff-" + id + "-" + span + "-01":                         "",
		"00-" + strings.ToUpper(id) + "-" + span + "-01":        "",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":    "",
		"00-" + id + "-0000000000000000-01":                     "",
		"00-" + id + "-" + span + "-0":                          "",
		"00-" + id + "-" + span + "-0g":                         "",
		"0g-" + id + "-" + span + "-01":                         "",
		"00-" + id[1:] + "-" + span + "0-01":                    "",
		" 00-" + id + "-" + span + "-01":                        "",
		"00-" + id[:31] + "é" + span + "-01":                    "",
		"":                                                      "",
		strings.Repeat("0", 1000):                               "",
		"00-" + id + "-" + span + "-01,00-" + id + span + "-01": "",
	} {
		p := trace.From([]string{header})
		if !whole.MatchString(p.String()) || p.ID() != p.String()[3:35] || strings.Contains(p.String(), span) {
			t.Errorf("%q: got %q, want a place of our own", header, p)
		}
		got := p.ID() + " " + p.String()[53:]
		if want == "" && (p.ID() == id || !strings.HasSuffix(got, " 00")) || want != "" && got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}

func TestTwoHeaders(t *testing.T) {
	one := "00-" + id + "-" + span + "-01"
	if p := trace.From([]string{one, one}); p.ID() == id {
		t.Error("of two headers one was taken")
	}
	if a, b := trace.From(nil), trace.From(nil); a.ID() == b.ID() {
		t.Errorf("two traces have the id %s", a.ID())
	}
}

func TestChild(t *testing.T) {
	p := trace.From([]string{"00-" + id + "-" + span + "-01"})
	seen := map[string]bool{p.String(): true}
	for range 100 {
		c := p.Child()
		if !whole.MatchString(c) || c[3:35] != id || c[53:] != "01" || seen[c] {
			t.Fatalf("got child %q of %q", c, p)
		}
		seen[c] = true
	}
	var none trace.Parent
	if none.Child() != "" || none.String() != "" || none.ID() != "" {
		t.Errorf("outside of a trace there is %q, child %q", none, none.Child())
	}
}

func FuzzFrom(f *testing.F) {
	f.Add("00-" + id + "-" + span + "-01")
	f.Add("cc-" + id + "-" + span + "-01-x")
	f.Add("")
	f.Fuzz(func(t *testing.T, header string) {
		p := trace.From([]string{header})
		if !whole.MatchString(p.String()) || !whole.MatchString(p.Child()) || p.Child()[3:35] != p.ID() {
			t.Errorf("%q: got %q and %q", header, p, p.Child())
		}
		if strings.Contains(header, p.ID()) && (len(header) < 55 || header[3:35] != p.ID()) {
			t.Errorf("%q goes on as %q", header, p)
		}
	})
}
