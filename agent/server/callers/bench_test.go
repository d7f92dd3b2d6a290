package callers_test

import (
	"testing"

	"nearside/agent/server/callers"
)

// BenchmarkAdmit is what the book adds to every ask.
func BenchmarkAdmit(b *testing.B) {
	book := callers.New()
	r := from(b, "unix")
	b.ReportAllocs()
	for b.Loop() {
		pass, _ := book.Admit(r, "chat")
		pass.Leave()
	}
}
