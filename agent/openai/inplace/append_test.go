package inplace_test

import (
	"bytes"
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
		var want bytes.Buffer
		theirs := json.NewEncoder(&want)
		theirs.SetEscapeHTML(false)
		if err := theirs.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := inplace.AppendString([]byte("x"), s); string(got)+"\n" != "x"+want.String() {
			t.Errorf("%q: got %s, want %s", s, got[1:], want.String())
		}
	})
}
