package inplace_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"nearside/agent/openai/inplace"
)

// FuzzString holds the text of a string to what encoding/json reads.
func FuzzString(f *testing.F) {
	for _, s := range []string{`""`, `"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u20AC\u0000x"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"é\u00e9"`, `"user"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want string
		if !utf8.Valid(raw) || len(raw) == 0 || raw[0] != '"' || raw[len(raw)-1] != '"' || json.Unmarshal(raw, &want) != nil {
			return
		}
		var added strings.Builder
		added.WriteString("x")
		inplace.Unquote(&added, raw)
		if got := inplace.String(raw); got != want || added.String() != "x"+want || !inplace.Says(raw, want) || inplace.Says(raw, want+"x") {
			t.Errorf("%s: got %q and %q, want %q", raw, got, added.String(), want)
		}
	})
}

// FuzzAppendRest holds an object without some of its members to one that was
// taken apart and put together again.
func FuzzAppendRest(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":1,"b":[2,{"a":3}]}`, ` { "b" : "x" , "\u0061" : null } `, `{"b":1,"b":2,"":{}}`, `[1]`, `{"a":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		if !utf8.Valid(object) || !inplace.Valid(object) {
			return
		}
		var want, got map[string]any
		_ = json.Unmarshal(object, &want) // anything but an object has no members
		delete(want, "a")
		delete(want, "other")
		rest := inplace.Close(inplace.AppendRest([]byte("{"), object, "other", "a"), '}')
		if err := json.Unmarshal(rest, &got); err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %s, %v, want %v", object, rest, err, want)
		}
	})
}

// FuzzMended holds what is mended to the standard library's.
func FuzzMended(f *testing.F) {
	for _, s := range []string{"", "plain é", "\xff", "a\xff\xfeb\xc3", "\xed\xa0\x80x", "\uFFFD\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := inplace.Mended(data), bytes.ToValidUTF8(data, []byte("\uFFFD")); !bytes.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", data, got, want)
		}
	})
}
