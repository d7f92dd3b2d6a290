package gate_test

import (
	"slices"
	"strings"
	"testing"

	"nearside/policy/gate"
)

func TestParse(t *testing.T) {
	const one, two = `{"text":"go left","label":"left"}`, `{"text":"go right","label":"right"}`
	for _, c := range []struct {
		name, text string
		want       gate.Data
		faults     []string
		labels     string
	}{
		{"two lines", one + "\n" + two + "\n", gate.Data{Lines: 2}, nil, "left right"},
		{"no newline at the end", one + "\n" + two, gate.Data{Lines: 2}, nil, "left right"},
		{"a byte order mark", "\xef\xbb\xbf" + one + "\n", gate.Data{Lines: 1, Marked: true}, nil, "left"},
		{"CR LF", one + "\r\n" + two + "\r\n", gate.Data{Lines: 2, Returns: 2}, nil, "left right"},
		{"empty lines", one + "\n\n  \n" + two + "\n", gate.Data{Lines: 4, Empty: 2}, nil, "left right"},
		{"said twice", one + "\n" + `{"text":"Go, left!","label":"left"}` + "\n", gate.Data{Lines: 2, Duplicates: 1}, nil, "left"},
		{"other fields", `{"id":7,"text":"go left","label":"left"}`, gate.Data{Lines: 1}, nil, "left"},
		{"contradiction", one + "\n" + two + "\n" + `{"text":"go left.","label":"right"}`, gate.Data{Lines: 3},
			[]string{`line 3: label: is "right", but "left" on line 1 has the same words`, `line 1: label: is "left", but a later line`}, "right"},
		{"no JSON", "go left\n" + one, gate.Data{Lines: 2}, []string{"line 1: is not an object"}, "left"},
		{"an array", `["go left","left"]`, gate.Data{Lines: 1}, []string{"line 1: is not an object"}, ""},
		{"no text", `{"label":"left"}`, gate.Data{Lines: 1}, []string{"line 1: text: is missing"}, ""},
		{"no words", `{"text":"?!","label":"left"}`, gate.Data{Lines: 1}, []string{"line 1: text: is missing, or has no letters"}, ""},
		{"no label", `{"text":"go left"}`, gate.Data{Lines: 1}, []string{"line 1: label: is missing"}, ""},
		{"long label", `{"text":"go","label":"` + strings.Repeat("l", 101) + `"}`, gate.Data{Lines: 1}, []string{"line 1: label: has 101 bytes; 100 is the most"}, ""},
		{"control character", `{"text":"go","label":"left\u001b[2J"}`, gate.Data{Lines: 1}, []string{`line 1: label: is "left\x1b[2J"; it must be without control characters`}, ""},
		{"label in capitals", `{"text":"go","label":"OOS"}`, gate.Data{Lines: 1}, []string{`line 1: label: is "OOS"; what no intent fits has the label oos`}, ""},
		{"label in Chinese", `{"text":"打开窗户","label":"开窗 🚗"}`, gate.Data{Lines: 1}, nil, "开窗 🚗"},
		{"Latin 1", "{\"text\":\"caf\xe9\",\"label\":\"x\"}", gate.Data{Lines: 1}, []string{"line 1: is not UTF-8"}, ""},
		{"huge line", `{"text":"` + strings.Repeat("a", 70000) + `","label":"x"}` + "\n" + one, gate.Data{Lines: 2}, []string{"line 1: has 70023 bytes; 65536 is the most"}, "left"},
		{"nothing", "", gate.Data{}, nil, ""},
	} {
		d, err := gate.Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d.Lines != c.want.Lines || d.Empty != c.want.Empty || d.Duplicates != c.want.Duplicates || d.Marked != c.want.Marked || d.Returns != c.want.Returns {
			t.Errorf("%s: counted %+v, want %+v", c.name, d, c.want)
		}
		if !slices.EqualFunc(d.Faults, c.faults, func(f gate.Fault, want string) bool { return strings.HasPrefix(f.String(), want) }) {
			t.Errorf("%s: faults %v, want %q", c.name, d.Faults, c.faults)
		}
		if got := labels(d.Examples); got != c.labels {
			t.Errorf("%s: examples of %q, want %q", c.name, got, c.labels)
		}
	}
}

func labels(list []gate.Example) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Label)
	}
	return strings.Join(out, " ")
}

func TestParseRefusesUTF16(t *testing.T) {
	for _, text := range []string{"\xff\xfe{\x00", "\xfe\xff\x00{", "{\x00\"\x00", "\x00{\x00\""} {
		if _, err := gate.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"text":"go left","label":"left"}` + "\n" + `{"text":"go left","label":"right"}`))
	f.Add([]byte("\xef\xbb\xbf\r\n\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := gate.Parse(text)
		if err != nil {
			return
		}
		if len(d.Examples)+d.Empty+d.Duplicates+len(d.Faults) != d.Lines {
			t.Errorf("%d lines are %d examples, %d empty, %d said before and %d faults", d.Lines, len(d.Examples), d.Empty, d.Duplicates, len(d.Faults))
		}
	})
}
