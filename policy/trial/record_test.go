package trial_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func hold(tb testing.TB, kind string, version int64) *trial.Held {
	tb.Helper()
	p := seal.Payload{Tenant: "acme", Channel: "stable", Version: version, Issued: noon, Kind: kind, Body: fmt.Sprintf("body <%d>", version)}
	b, err := p.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	h, err := trial.Hold(string(b), []string{"0123456789abcdef"}, "mqtt", noon)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// full has something in every field.
func full(tb testing.TB) trial.Record {
	tb.Helper()
	r := trial.Record{Seq: 7}.Booted(noon)
	r.Clock = seal.Clock{Floor: noon, Anchored: true}
	for v := range int64(2) {
		r = r.Received(hold(tb, seal.KindPolicy, v+1)).Stored(trial.Figures{}).Swapped().Confirmed(noon)
	}
	r = r.Received(hold(tb, seal.KindGate, 1)).Applied().InPlace(seal.KindGate).Received(hold(tb, seal.KindGate, 2)).Applied()
	r = r.Received(hold(tb, seal.KindPolicy, 3)).Stored(trial.Figures{}).RolledBack(trial.Harm, []string{"errors"}, noon)
	usual := figures(rand.New(rand.NewPCG(1, 2)), usual, 20)
	r = r.Received(hold(tb, seal.KindPolicy, 4)).Stored(usual).Swapped().Watched(usual, time.Minute)
	r = r.Received(hold(tb, seal.KindPolicy, 5)).Turned(trial.Refused{Refusal: seal.Refusal{Reason: "x", Detail: "y"}, From: "usb", At: noon})
	r, err := r.Begun("c0", noon.Add(-time.Hour))
	if err == nil {
		r, err = r.Begun("c1", noon.Add(time.Hour))
	}
	if err != nil {
		tb.Fatal(err)
	}
	r = r.Ended("c1", true, `{"a":1}`)
	if r, err = r.Rotated("base", "envelope"); err != nil {
		tb.Fatal(err)
	}
	return r
}

func encode(tb testing.TB, r trial.Record) []byte {
	tb.Helper()
	b, err := r.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	r := full(t)
	for i := range reflect.TypeFor[trial.Record]().NumField() {
		if name := reflect.TypeFor[trial.Record]().Field(i).Name; reflect.ValueOf(r).Field(i).IsZero() && !strings.Contains("Clean Boots NextBoots Rolled", name) {
			t.Errorf("%s is empty: the test says nothing of it", name)
		}
	}
	got, err := trial.Decode(encode(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, r) {
		t.Errorf("got  %+v\nwant %+v", got, r)
	}
}

// TestTorn: a record that is cut anywhere, or has one bit altered, is none.
func TestTorn(t *testing.T) {
	b := encode(t, full(t))
	for n := range b {
		if _, err := trial.Decode(b[:n]); !errors.Is(err, trial.ErrForm) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(b), err)
		}
	}
	for i := range b {
		c := append([]byte(nil), b...)
		c[i] ^= 1 << (i % 8)
		if _, err := trial.Decode(c); !errors.Is(err, trial.ErrForm) {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	if _, err := trial.Decode(append(b, '\n')); !errors.Is(err, trial.ErrForm) {
		t.Errorf("something follows: %v", err)
	}
}

// TestNoRecord: records that fit their checksum and say what cannot be.
func TestNoRecord(t *testing.T) {
	for name, change := range map[string]func(*trial.Record){
		"a step and nothing on trial": func(r *trial.Record) { r.Trial = nil },
		"a step that is none":         func(r *trial.Record) { r.Step = "done" },
		"no step":                     func(r *trial.Record) { r.Step = "" },
		"a gate as a policy":          func(r *trial.Record) { r.Good = hold(t, seal.KindGate, 1) },
		"a policy as a gate":          func(r *trial.Record) { r.Kinds = map[string]*trial.Held{seal.KindGate: hold(t, seal.KindPolicy, 1)} },
		"no document":                 func(r *trial.Record) { r.Before = &trial.Held{Payload: "{}"} },
		"a floor of nothing":          func(r *trial.Record) { r.Floors = seal.Floors{"a/b/policy": {}} },
		"a number below 0":            func(r *trial.Record) { r.Seq = -1 },
	} {
		r := full(t)
		change(&r)
		if b, err := r.Encode(); err == nil {
			if _, err := trial.Decode(b); !errors.Is(err, trial.ErrForm) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	r := full(t)
	r.Good.Payload = strings.Repeat("x", trial.MaxRecord)
	if _, err := r.Encode(); err == nil {
		t.Error("a record of more than a MiB was encoded")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, full(f)))
	f.Add(encode(f, trial.Record{Seq: 1}))
	f.Add([]byte("nearside-record 2 x\n{}\n"))
	for _, b := range [][]byte{encode(f, full(f)), encode(f, trial.Record{Seq: 1})} {
		f.Add(b[bytes.IndexByte(b, '\n')+1 : len(b)-1]) // what the checksum is of
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !bytes.HasPrefix(b, []byte("nearside-record")) {
			sum := sha256.Sum256(b)
			b = fmt.Appendf(nil, "nearside-record 1 %x\n%s\n", sum, b)
		}
		r, err := trial.Decode(b)
		if err != nil {
			if !errors.Is(err, trial.ErrForm) {
				t.Fatal(err)
			}
			return
		}
		r.Todo()
		r.Heights()
		text := encode(t, r)
		again, err := trial.Decode(text)
		if err != nil || !bytes.Equal(encode(t, again), text) { // an empty list and none are one
			t.Fatalf("not the same again: %v\n%s", err, text)
		}
	})
}

func TestBoots(t *testing.T) {
	r := trial.Record{Seq: 1}.Received(hold(t, seal.KindPolicy, 1)).Stored(trial.Figures{}).Swapped()
	for range 5 {
		r = r.Stopped().Booted(noon)
	}
	if r.Boots != 0 || r.Todo() != trial.Swap {
		t.Errorf("orderly ends are no crashes: %d boots, to do %v", r.Boots, r.Todo())
	}
	for i := range trial.MaxBoots {
		if r.Trial == nil {
			t.Fatalf("given up after %d boots", i)
		}
		r = r.Booted(noon)
	}
	if r.Trial != nil || r.State() != "rolled_back" || len(r.Bad) != 1 || r.Bad[0].Why != trial.Crashes {
		t.Errorf("after 3 crashes: %s %+v", r.State(), r.Bad)
	}
	r = r.Received(hold(t, seal.KindPolicy, 2)).Booted(noon).Booted(noon).Booted(noon)
	if r.Next != nil || r.Given(hold(t, seal.KindPolicy, 2).Digest) == nil {
		t.Errorf("what crashes while it is validated: %+v", r.Bad)
	}
}

func TestMoved(t *testing.T) {
	r := full(t)
	if got := r.Moved("acme", "stable"); !reflect.DeepEqual(got, r) {
		t.Error("not moved, and something changed")
	}
	m := r.Moved("acme", "beta")
	if m.Good != nil || m.Before != nil || m.Trial != nil || m.Next != nil || len(m.Kinds) != 0 || len(m.Were) != 0 || m.State() != "factory" {
		t.Errorf("moved: %+v", m)
	}
	if !reflect.DeepEqual(m.Floors, r.Floors) || len(m.Bad) != len(r.Bad) {
		t.Error("floors or what was given up are forgotten")
	}
}

func TestSeen(t *testing.T) {
	r := trial.Record{}
	for i := range trial.MaxSeen {
		var err error
		if r, err = r.Begun(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		r = r.Ended(fmt.Sprint(i), true, strings.Repeat("x", 1000))
	}
	if _, err := r.Begun("more", noon); seal.Reason(err) != trial.TooManyCommands {
		t.Errorf("129 commands: %v", err)
	}
	if s, ok := r.Answered("0"); !ok || !s.Done || s.Answer != "" {
		t.Errorf("the first: %v %+v", ok, s)
	}
	if s, ok := r.Answered("127"); !ok || len(s.Answer) != 1000 {
		t.Errorf("the last: %v %+v", ok, s)
	}
	r.Clock.Floor = noon.Add(time.Minute)
	r, err := r.Begun("more", noon.Add(time.Hour))
	if _, there := r.Answered("0"); err != nil || there {
		t.Errorf("with two that are expired: %v, the first is there: %v", err, there)
	}
	r.Clock.Floor = noon.Add(-time.Hour) // it was too high, and came down
	if _, err := r.Begun("1", noon.Add(time.Minute)); seal.Reason(err) != seal.Expired {
		t.Errorf("one that was forgotten comes again: %v", err)
	}
	if _, err := r.Reset(true).Begun("1", noon.Add(time.Minute)); seal.Reason(err) != seal.Expired {
		t.Errorf("after a reset: %v", err)
	}
	r = r.Ended("more", true, strings.Repeat("x", trial.MaxAnswer+1))
	if s, _ := r.Answered("more"); !s.Done || s.Answer != "" {
		t.Errorf("an answer that is too large: %+v", s)
	}
}

func TestBounds(t *testing.T) {
	r := trial.Record{Seq: 1}
	for v := range int64(300) {
		r = r.Received(hold(t, seal.KindPolicy, v+1)).Stored(trial.Figures{}).RolledBack(trial.Harm, make([]string, 99), noon)
		r = r.Turned(trial.Refused{Refusal: seal.Refusal{Reason: fmt.Sprint(v), Detail: strings.Repeat("d", 9999)}, At: noon})
	}
	for range trial.MaxRoots {
		r, _ = r.Rotated("b", "e")
	}
	if _, err := r.Rotated("b", "e"); seal.Reason(err) != trial.TooManyRoots {
		t.Errorf("one root too many: %v", err)
	}
	if len(r.Bad) != trial.MaxBad || r.Given(hold(t, seal.KindPolicy, 300).Digest) == nil {
		t.Errorf("%d given up are remembered, the last: %v", len(r.Bad), r.Given(hold(t, seal.KindPolicy, 300).Digest))
	}
	if n := len(r.Counts.Refused); n > 65 || r.Counts.Refused["other"] == 0 {
		t.Errorf("%d reasons are counted, %d as other", n, r.Counts.Refused["other"])
	}
	if b := encode(t, r); len(b) > 64<<10 {
		t.Errorf("%d bytes", len(b))
	}
}

func BenchmarkEncode(b *testing.B) {
	r := full(b)
	p := seal.Payload{Tenant: "a", Channel: "s", Version: 1, Issued: noon, Kind: seal.KindPolicy, Body: strings.Repeat("a: 1\n", 3277)}
	text, err := p.Encode()
	if err != nil {
		b.Fatal(err)
	}
	if r.Good, err = trial.Hold(string(text), nil, "", noon); err != nil {
		b.Fatal(err)
	}
	r.Before, r.Trial = r.Good, r.Good
	for b.Loop() {
		if _, err := r.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
