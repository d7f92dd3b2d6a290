package fake_test

import (
	"testing"

	"nearside/cmd/fakecloud/fake"
)

func TestParseFault(t *testing.T) {
	good := func(text string, want fake.Fault) {
		t.Helper()
		got, err := fake.ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	bad := func(text string) {
		t.Helper()
		if got, err := fake.ParseFault(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
	good("hang\n", fake.Fault{Kind: fake.Hang})
	good(`{"kind":"status","status":429,"retry_after_s":2,"count":5}`, fake.Fault{Kind: fake.Status, Status: 429, RetryAfterS: 2, Count: 5})
	good(`{"kind":"cut_stream","after":3}`, fake.Fault{Kind: fake.CutStream, After: 3})
	bad("")
	bad("earthquake")
	bad("status")
	bad("latency")
	bad(`{"kind":"status","status":200}`)
	bad(`{"kind":"refused","count":1}`)
	bad(`{"kind":"hang","after":-1}`)
	bad(`{"kind":"latency","ms":99999999999}`)
	bad(`{"kind":"hang","colour":"red"}`)
	bad(`{"kind":"hang"} {}`)
	bad(`{"kind":`)
}

func FuzzParseFault(f *testing.F) {
	f.Add("hang")
	f.Add(`{"kind":"status","status":503,"retry_after_s":2,"count":5}`)
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := fake.ParseFault(text)
		if err != nil {
			return
		}
		again, err := fake.ParseFault(fault.String())
		if err != nil || again != fault {
			t.Fatalf("%q: got %v, %v, want %v", text, again, err, fault)
		}
	})
}
