package inplace

import (
	"encoding/json"
	"strings"
	"testing"
)

const usual = `{"id":"c1","object":"chat.completion","created":1795366151,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` +
	`"content":"lantern island morning harbour thunder light paper bridge stone window \"light\" thunder.","refusal":null},"logprobs":null,` +
	`"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":14,"total_tokens":34,"details":{"cached":-0.5e-3,"x":[]}}}`

// FuzzValid holds the check to what encoding/json calls valid.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		usual, "", " ", "1", "-", "-0", "01", "1.", ".5", "1e", "1e+", "1E-2", "+1", "true", "tru", "truex", "null ", "nul", "false",
		`"a`, `"\u12G4"`, `"\ud800"`, `"\x"`, "\"\t\"", "\"\x7f\xff\"", "[", "[]", "[1,]", "[,1]", "[1 2]", "{", "{}", `{"a"}`, `{"a":}`, `{"a":1,}`,
		`{a:1}`, `{"a":1 "b":2}`, "[[[]]]", "]", "1 2", "\ufeff1", "\v1",
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		strings.Repeat(`{"a":`, maxDepth) + "1" + strings.Repeat("}", maxDepth),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := Valid(b), json.Valid(b); got != want {
			t.Errorf("%.200q: got %t, want %t", b, got, want)
		}
	})
}

func BenchmarkValid(b *testing.B) {
	for name, check := range map[string]func([]byte) bool{"ours": Valid, "encoding-json": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(usual)))
			for b.Loop() {
				if !check([]byte(usual)) {
					b.Fatal("not well formed")
				}
			}
		})
	}
}
