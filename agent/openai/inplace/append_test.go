package inplace_test

import (
	"encoding/json"
	"strings"
	"testing"

	"nearside/agent/openai/inplace"
)

// FuzzAppendString holds strings to what encoding/json writes.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "a \"b\" \\ <c> & 'd'", "\x00\b\t\n\v\f\r\x1f \x7f", "é€😀\u2028\u2029\ufffd", "\xff\xc3\xe2\x80", "x\xed\xa0\x80", strings.Repeat("long ", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := inplace.AppendString([]byte("x"), s); string(got) != "x"+string(want) {
			t.Errorf("%q: got %s, want %s", s, got[1:], want)
		}
	})
}
