package strict_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/agent/config/strict"
)

type place struct {
	Name  string `json:"name"`
	Found string `json:"-"` // not for files
}

func (place) IsSecret() {}

type settings struct {
	Text   string             `json:"text"`
	Wait   time.Duration      `json:"wait,omitempty"`
	Count  *int64             `json:"count"`
	Share  float64            `json:"share"`
	On     bool               `json:"on"`
	Table  map[string]float64 `json:"table"`
	List   []settings         `json:"list"`
	Time   time.Time          `json:"time"` // has an UnmarshalText
	Secret place              `json:"secret"`
}

func TestValues(t *testing.T) {
	text := "text: >-\n  a\n  b\nwait: 1m\ncount: 0x10\nshare: 1\non: true\ntable: {a.b: 0.5, 1: 2}\n" +
		"list:\n- text: 'x'\n- {text: \"y\\n\", list: []}\ntime: 2026-01-02T03:04:05Z\nsecret: {name: n}\n"
	got := settings{Share: 7, Text: "before"}
	if err := strict.Decode("f", []byte(text), &got).Err(); err != nil {
		t.Fatal(err)
	}
	count := int64(16)
	want := settings{
		Text: "a b", Wait: time.Minute, Count: &count, Share: 1, On: true,
		Table:  map[string]float64{"a.b": 0.5, "1": 2},
		List:   []settings{{Text: "x"}, {Text: "y\n", List: []settings{}}},
		Time:   time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Secret: place{Name: "n"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// TestNumbers: a number may be written as YAML and JSON have it; in quotes it is
// a text.
func TestNumbers(t *testing.T) {
	for text, want := range map[string]float64{
		"1e-05": 1e-05, "1e3": 1000, "1E3": 1000, "-2e+1": -20, "1.5e2": 150, ".5": 0.5, "3": 3,
	} {
		var got settings
		if err := strict.Decode("f", []byte(`{"share": `+text+`}`), &got).Err(); err != nil || got.Share != want {
			t.Errorf("%s: got %v, %v", text, got.Share, err)
		}
	}
	for _, text := range []string{`"1e-05"`, "'1e3'", "1e", "e3", "1e3 s", "1e400", "1e3e3", "--1e3", "nan", "inf"} {
		if err := strict.Decode("f", []byte("share: "+text+"\n"), &settings{}).Err(); err == nil || !strings.Contains(err.Error(), "share: must be a number") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	var got settings
	if err := strict.Decode("f", []byte(`{"text": 1e5}`), &got).Err(); err != nil || got.Text != "1e5" {
		t.Errorf("as text: got %q, %v", got.Text, err)
	}
}

func TestFaultsComeInTheOrderOfTheText(t *testing.T) {
	text := "list:\n- {list: [{text: 1}]}\n- {wait: 2, txt: a}\ntable:\n  k: v\nsecret: {hidden: 1}\n"
	d := strict.Decode("f", []byte(text), &settings{})
	d.Report("list[1].list[0].text", "is odd")
	d.Report("nowhere", "is missing")
	want := []string{
		"f:1:1: nowhere: is missing",
		"f:2:12: list[0].list[0].text: must be text, not a number; put it in quotes",
		"f:3:3: list[1].list[0].text: is odd",
		"f:3:4: list[1].wait: must be a duration with a unit, such as 30s, 10m or 168h",
		"f:3:13: list[1].txt: unknown key; did you mean text?",
		"f:5:3: table.k: must be a number, not text",
		"f:6:10: secret: has an unknown key; known are name",
	}
	if got := d.Err().Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// FuzzDecode holds that any text is read or refused, and that a fault says where
// it is.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"text: a\nwait: 1s\nlist: [{on: true}, {count: 1}]\n", "table:\n  a: 1\n  b: .5\n", "a: &a [*a]", "? a", "- - -\n -",
		"text: |\n b\n c: >-\n", "{a: [}", "<<: x", "!!a b: c", "secret: {a}", "time: 2026-01-02T03:04:05Z",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := strict.Decode("f", text, &settings{}).Err()
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("got %q", err)
		}
	})
}
