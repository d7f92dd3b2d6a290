package exact_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"nearside/policy/seal/exact"
)

// TestObject: only one object, whole and unambiguous, is read.
func TestObject(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{}`, ""},
		{" \n{\"a\": 1}\n", ""},
		{`{"a":"[[[[[[[[[[\"[["}`, ""},
		{`{"a":[[[[[[[1]]]]]]]}`, ""},
		{`{"a":[[[[[[[[1]]]]]]]]}`, "doc is more than 8 deep"},
		{"", "not one JSON value"},
		{`{} {}`, "nothing behind it"},
		{`{"a":1,}`, "not one JSON value"},
		{`{'a':1}`, "not one JSON value"},
		{`{"a":01}`, "not one JSON value"},
		{`{"a":NaN}`, "not one JSON value"},
		{`[1]`, "doc must be a JSON object"},
		{`null`, "doc must be a JSON object"},
		{"\xef\xbb\xbf{}", "byte order mark"},
		{"{\"a\":\"\xc3\x28\"}", "not UTF-8"},
		{`{"a":"\ud800"}`, "doc.a holds U+FFFD"},
		{`{"a":"\ud83d\ude00"}`, ""},
		{`{"a":1,"a":1}`, "doc has a twice"},
		{`{"a":1,"A":1}`, "doc has A twice"},
		{`{"a":1,"\u0061":1}`, "doc has a twice"},
		{`{"in":{"a":1,"A":1}}`, "doc.in has A twice"},
		{`{"k":1,"` + "\u212a" + `":1}`, "plain letters"},
		{`{"":1}`, "plain letters"},
	} {
		_, err := exact.Object("doc", []byte(c.text))
		if got := told(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}

func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestFields: each kind of field says what would be right; the first fault is
// the one that is told, that of an inner object too.
func TestFields(t *testing.T) {
	any := func(string) bool { return true }
	for _, c := range []struct {
		text string
		read func(*exact.Fields)
		want string
	}{
		{`{"a":"x"}`, func(f *exact.Fields) { f.Text("a", "text", false, any) }, ""},
		{`{"A":"x"}`, func(f *exact.Fields) { f.Text("a", "text", false, any) }, "doc.a must be text"},
		{`{"a":1,"b":2}`, func(f *exact.Fields) { f.Whole("b", 0, false) }, "doc.a is not known"},
		{`{"a":1.5,"b":"x"}`, func(f *exact.Fields) { f.Whole("a", 0, false); f.Whole("b", 0, false) }, "doc.a must be a whole number from 0"},
		{`{}`, func(f *exact.Fields) { f.Whole("a", 1, true); f.Moment("b", true); f.List("c", "", 1, true) }, ""},
		{`{"a":"2026-02-30T00:00:00Z"}`, func(f *exact.Fields) { f.Moment("a", false) }, "doc.a must be a time"},
		{`{"a":"QUI="}`, func(f *exact.Fields) { f.Base64("a") }, ""},
		{`{"a":"QUI"}`, func(f *exact.Fields) { f.Base64("a") }, "doc.a must be base64"},
		{`{"a":"QUJ="}`, func(f *exact.Fields) { f.Base64("a") }, "doc.a must be base64"},
		{`{"a":"-/=="}`, func(f *exact.Fields) { f.Base64("a") }, "doc.a must be base64"},
		{`{"a":"QU\nI="}`, func(f *exact.Fields) { f.Base64("a") }, "doc.a must be base64"},
		{`{"a":[1,2]}`, func(f *exact.Fields) { f.List("a", "a list of one", 1, false) }, "doc.a must be a list of one"},
		{`{"a":{"b":1}}`, func(f *exact.Fields) { v, _ := f.Take("a", "", false); _ = f.Inner("a", v).End() }, "doc.a.b is not known"},
		{`{"a":[]}`, func(f *exact.Fields) { v, _ := f.Take("a", "", false); _ = f.Inner("a", v).End() }, "doc.a must be an object"},
	} {
		f, err := exact.Object("doc", []byte(c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		c.read(f)
		if got := told(f.End()); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}

// FuzzObject: what is read is JSON for encoding/json, too, with the same names.
func FuzzObject(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":[true,null,{"c":"\u00e4"}]}`, `{"a":{"a":{}}}`, `[`, `{"a":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fields, err := exact.Object("doc", b)
		if err != nil {
			return
		}
		var other map[string]json.RawMessage
		if err := json.Unmarshal(bytes.TrimSpace(b), &other); err != nil || len(other) != len(fields.Names()) {
			t.Errorf("%s: %d names, and %d, %v", b, len(fields.Names()), len(other), err)
		}
		for _, name := range fields.Names() {
			if _, ok := other[name]; !ok {
				t.Errorf("%s: has no %q", b, name)
			}
		}
	})
}
