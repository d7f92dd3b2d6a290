package inplace

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// whole reads the value that is next, entering all there is to enter.
func whole(in *Reader) any {
	from := in.At()
	if in.Object() {
		all := map[string]any{}
		for in.Member() {
			name := string(in.Name)
			all[name] = whole(in)
		}
		return all
	}
	if in.List() {
		all := []any{}
		for in.Element() {
			all = append(all, whole(in))
		}
		return all
	}
	raw := in.Value()
	v, err := theirs(raw)
	if err != nil || string(raw) != string(in.Since(from)) {
		return string(raw) + " is no value"
	}
	return v
}

// theirs is the value by encoding/json, with numbers as they are written: not
// all of them are floats.
func theirs(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// skipping reads the first level and looks at no value.
func skipping(in *Reader) {
	if in.Object() {
		for in.Member() {
		}
	} else if in.List() {
		for in.Element() {
		}
	}
}

// FuzzReader holds what is read, and whether it is well formed, to encoding/json.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		usual, "", "1", "7E777", `{"a":[1,{"b":null}],"a":"x"}`, `{"a" : {} , "b":[ ]}`, `[1,[2,[3]],{}]`, `{"\u0061":"\n"}`, `{"a":1,}`, `{"a":1]`, `[1}`, "[1,]", `{"a"}`, `{,}`,
		`"ä"`, `{"ä":1}`, `[]]`, `[][]`, `{"a":tru}`, "[\"1234567\x018\"]", strings.Repeat(`{"a":[`, 30) + strings.Repeat("]}", 30),
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		valid := json.Valid(text)
		entered, passed := Read(text), Read(text)
		got := whole(&entered)
		skipping(&passed)
		if done := entered.Done(); done != valid || passed.Done() != done {
			t.Fatalf("%.200q: done is %t and %t, want %t", text, done, passed.Done(), valid)
		}
		if !valid {
			return
		}
		if want, err := theirs(text); utf8.Valid(text) && (err != nil || !reflect.DeepEqual(got, want)) {
			t.Errorf("%.200q: got %v, want %v, %v", text, got, want, err)
		}
		if ascii := strings.IndexFunc(string(text), func(r rune) bool { return r >= utf8.RuneSelf }) < 0; !ascii && !(entered.Wide && passed.Wide) {
			t.Errorf("%.200q is taken for ASCII", text)
		}
	})
}

// BenchmarkReader reads all of a reply; among them is the check of every byte.
func BenchmarkReader(b *testing.B) {
	b.SetBytes(int64(len(usual)))
	for b.Loop() {
		in := Read([]byte(usual))
		skipping(&in)
		if !in.Done() {
			b.Fatal("not well formed")
		}
	}
}
