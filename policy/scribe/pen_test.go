package scribe_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"nearside/policy"
	"nearside/policy/scribe"
)

// sheet has a place for each kind of value that can go wrong.
type sheet struct {
	Text    string         `json:"text"`
	Number  float64        `json:"number"`
	Time    time.Time      `json:"time"`
	Signals policy.Signals `json:"signals"`
}

// same holds what the pen writes to what encoding/json does, and an error of
// one to that of the other.
func same(t *testing.T, text string, number float64, at time.Time) {
	t.Helper()
	s := policy.Signals{Held: []string{text}, HeldSince: map[string]time.Time{text: at, "b": at, "a": at}, Targets: []policy.Target{{P50MS: &number}}}
	want, err := json.Marshal(sheet{Text: text, Number: number, Time: at, Signals: s})
	const before = "before"
	p := scribe.Begin([]byte(before))
	p.Text("text", text)
	p.Number("number", number)
	p.Time("time", at)
	p.Signals("signals", &s)
	got, ok := p.Done()
	if ok != (err == nil) || string(got) != before+string(want) {
		t.Errorf("%q, %g, %s: got %t, %q, want %q, %v", text, number, at, ok, got, before+string(want), err)
	}
}

var moments = []time.Time{
	{}, time.Unix(0, 0), time.Unix(1e9, 1).UTC(), time.Unix(1e9, 120e6).In(time.FixedZone("", -4500)),
	time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Unix(1e9, 0).In(time.FixedZone("", 24*3600)),
}

func TestValues(t *testing.T) {
	now := time.Now()
	for i := range 256 {
		same(t, string([]byte{'a', byte(i), 'z'}), float64(i)/7, now)
	}
	for _, text := range []string{"", "\u2028", "\u2029", "é\x80\xff", "😀", "\ufffd", "</script>&\"\\", "\x00\x1f\x7f"} {
		same(t, text, 0, now)
	}
	for _, number := range []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1e-6, 9.99e-7, 1e-7, -1e-9, 1e-10, 1e20, 999999999999999868928, 1e21, -1e21, 1e100,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
	} {
		same(t, "", number, now)
	}
	for _, at := range moments {
		same(t, "", 0, at)
	}
}

// FuzzValues: whatever is written, it is what encoding/json writes.
func FuzzValues(f *testing.F) {
	f.Add("lamp \u2028<", 0.1, int64(1e18), 0)
	f.Add("\xff", math.Inf(1), int64(-1), 5000)
	f.Fuzz(func(t *testing.T, text string, number float64, at int64, zone int) {
		same(t, text, number, time.Unix(at%1e12, at%1e9).In(time.FixedZone("", zone%100000)))
	})
}
