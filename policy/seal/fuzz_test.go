package seal_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/policy/seal"
)

// TestAltered: whatever byte of an envelope is altered, put in or left out, what
// is read is refused or means the same.
func TestAltered(t *testing.T) {
	f := newFleet(t)
	good := f.signed(func(p *seal.Payload) {
		p.Audience, p.NotAfter, p.Epoch = seal.Audience{"ring:early", "*"}, now.Add(time.Hour), 3
	})
	// A third signature: to lose one of three is no harm, to lose two is.
	good = must(seal.Add(good, f.c))
	want := must(f.root.Verify(good, device, nil, trusted))
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(good)
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			case 1:
				b[at] = rapid.SampledFrom([]byte(` "{}[]:,\=-_+/aZ09`+"\n\x00\xff")).Draw(t, "byte")
			case 2:
				b = append(b[:at], b[at+1:]...)
			case 3:
				b = append(b[:at], append([]byte{rapid.Byte().Draw(t, "new")}, b[at:]...)...)
			}
		}
		got, err := f.root.Verify(b, device, nil, trusted)
		if err != nil {
			if seal.Reason(err) == "" {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		if got.Digest != want.Digest || !reflect.DeepEqual(got.Payload, want.Payload) || len(got.SignedBy) < 2 {
			t.Fatalf("%s\nmeans %+v", b, got)
		}
	})
}

// TestEveryBit alters every bit of an envelope with just enough signatures.
func TestEveryBit(t *testing.T) {
	f := newFleet(t)
	good := f.signed(nil)
	want := must(f.root.Verify(good, device, nil, trusted))
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			got, err := f.root.Verify(b, device, nil, trusted)
			if err == nil && (got.Digest != want.Digest || len(got.SignedBy) < 2) {
				t.Errorf("byte %d, bit %d: means %+v", i, bit, got)
			}
		}
	}
}

// TestPayloadRoundTrip: what is encoded is read as it was.
func TestPayloadRoundTrip(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`)
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(1, 4_000_000_000).Draw(t, "s"), 0).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		p := seal.Payload{
			Tenant: name.Draw(t, "tenant"), Channel: name.Draw(t, "channel"), Version: rapid.Int64Range(1, 1<<53-1).Draw(t, "version"),
			Epoch: rapid.Int64Range(0, 1<<53-1).Draw(t, "epoch"), Issued: moment.Draw(t, "issued"), Kind: rapid.SampledFrom(seal.Kinds()).Draw(t, "kind"),
			Body:     rapid.StringMatching(`[ -~äöü\n\t"\\<>&\x{2028}]{1,200}`).Draw(t, "body"),
			Audience: rapid.SliceOfN(rapid.SampledFrom([]string{"*", "ring:a", "device:b", "label:site=Oslo 1", "c"}), 0, 3).Draw(t, "audience"),
			NotAfter: moment.Draw(t, "not after"), MinAgent: rapid.SampledFrom([]string{"", "1.2.3", "0.1.0-rc1"}).Draw(t, "agent"),
		}
		if len(p.Audience) == 0 {
			p.Audience = nil
		}
		if rapid.Bool().Draw(t, "share") {
			p.Rollout = &seal.Rollout{Pct: float64(rapid.IntRange(0, 10_000).Draw(t, "pct")) / 100, Salt: "s"}
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		p.Digest = seal.Digest(b)
		if got, err := seal.ParsePayload(b); err != nil || !reflect.DeepEqual(*got, p) {
			t.Fatalf("%s\nread as %+v, %v", b, got, err)
		}
	})
}

// reasoned holds a refusal to having a reason that is on the list.
func reasoned(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if !slices.Contains(reasons, seal.Reason(err)) {
		t.Errorf("%v has no reason of the list", err)
	}
}

// FuzzOpen: an envelope that is opened is small, whole, and the same when it is
// written and read again.
func FuzzOpen(f *testing.F) {
	fl := newFleet(f)
	for _, b := range [][]byte{fl.signed(nil), fl.command(nil), fl.file, []byte(`{"payloadType":"","payload":"e30=","signatures":[]}`), []byte("{\"a\":[[[")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := seal.Open(b)
		reasoned(t, err)
		if err != nil {
			return
		}
		if len(b) > seal.MaxBytes || len(e.Signatures) == 0 || len(e.Signatures) > seal.MaxSignatures {
			t.Errorf("opened %d bytes with %d signatures", len(b), len(e.Signatures))
		}
		again, err := e.Encode()
		if err != nil {
			return // padded to the limit before, or beyond it by the standard form
		}
		if e2, err := seal.Open(again); err != nil || !reflect.DeepEqual(e, e2) {
			t.Errorf("read again: %+v, %v", e2, err)
		}
		if _, err := fl.root.Signers(e); err == nil && seal.Digest(e.Payload) == "" {
			t.Error("signed by nobody")
		}
	})
}

// FuzzPayload reads payloads that were signed, so that what is behind the
// signatures holds by itself.
func FuzzPayload(f *testing.F) {
	fl := newFleet(f)
	f.Add([]byte(goodText))
	f.Add(must(new(payload()).Encode()))
	full := payload()
	full.Audience, full.NotBefore, full.NotAfter = seal.Audience{"ring:a", "label:k=v"}, now, now.Add(time.Hour)
	full.Rollout, full.Files, full.MinAgent = &seal.Rollout{Pct: 12.5, Salt: "s"}, []seal.File{file()}, "1.2.3"
	f.Add(must(full.Encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := seal.ParsePayload(b)
		reasoned(t, err)
		if err == nil {
			c, err := p.Encode()
			if err != nil {
				t.Fatalf("%s: what was read cannot be written: %v", b, err)
			}
			if q, err := seal.ParsePayload(c); err != nil || q.Version != p.Version || q.Body != p.Body || len(q.Audience) != len(p.Audience) {
				t.Errorf("%s\nwritten and read: %+v, %v", b, q, err)
			}
		}
		envelope, err := seal.Sign(seal.PolicyType, b, fl.a, fl.b)
		if err != nil {
			return // too large
		}
		v, err := fl.root.Verify(envelope, device, seal.Floors{"acme/stable/policy": {Version: 5}}, trusted)
		reasoned(t, err)
		if err == nil && (v.Tenant != "acme" || v.Channel != "stable" || v.Kind == seal.KindPolicy && v.Epoch == 0 && v.Version < 5) {
			t.Errorf("taken: %+v", v)
		}
	})
}

// FuzzParseRoot reads roots as the file of the config has them.
func FuzzParseRoot(f *testing.F) {
	fl := newFleet(f)
	f.Add(fl.file)
	f.Add(rootOf(seal.Root{Version: 2, Threshold: 1, Expires: now}, fl.keys(), fl.a))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := seal.ParseRoot(b)
		reasoned(t, err)
		if err == nil && (r.Threshold < 1 || r.Threshold > len(r.Keys) || len(r.Keys) > seal.MaxSignatures || r.Version < 1) {
			t.Errorf("a root that is none: %+v", r)
		}
	})
}

// FuzzNext reads payloads of roots that the old keys signed: no other root than
// the next one follows.
func FuzzNext(f *testing.F) {
	fl := newFleet(f)
	f.Add(must((&seal.Root{Version: 2, Threshold: 2, Tenant: "acme", Keys: fl.root.Keys}).Encode()))
	f.Add(must(fl.root.Encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		envelope, err := seal.Sign(seal.RootType, b, fl.a, fl.b)
		if err != nil {
			return // too large
		}
		next, err := fl.root.Next(envelope)
		reasoned(t, err)
		if err == nil && (next.Version != 2 || next.Tenant != "acme" || next.Threshold < 1 || len(next.Good(must(seal.Open(envelope)))) < next.Threshold) {
			t.Errorf("%s follows: %+v", b, next)
		}
	})
}

// FuzzVerifyCommand reads commands that were signed.
func FuzzVerifyCommand(f *testing.F) {
	fl := newFleet(f)
	f.Add(must(new(command()).Encode()))
	f.Add([]byte(`{"tenant":"acme","id":"a","do":"status","issued":"2026-06-01T00:00:00Z","not_after":"2026-06-02T00:00:00Z","audience":"early"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		envelope, err := seal.Sign(seal.CommandType, b, fl.a, fl.b)
		if err != nil {
			return // too large
		}
		c, err := fl.root.VerifyCommand(envelope, device, trusted)
		reasoned(t, err)
		if err == nil && (c.Tenant != "acme" || c.ID == "" || c.Do == "" || !c.NotAfter.After(now)) {
			t.Errorf("%s: %+v", b, c)
		}
	})
}

// FuzzKeys reads keys: one that is read is written in the one form it has.
func FuzzKeys(f *testing.F) {
	k := newKey(f)
	f.Add(k.PEM())
	f.Add(k.Key().PEM())
	f.Fuzz(func(t *testing.T, b []byte) {
		if key, err := seal.ParsePublic(b); err == nil {
			if again, err := seal.ParsePublic(key.PEM()); err != nil || again != key {
				t.Errorf("%s: %v", b, err)
			}
		}
		if key, err := seal.ParsePrivate(b); err == nil {
			if again, err := seal.ParsePrivate(key.PEM()); err != nil || again.Key() != key.Key() {
				t.Errorf("a private key: %v", err)
			}
		}
	})
}

// BenchmarkVerify is what a policy of 16 KiB costs a device: two signatures and
// all that is asked of it.
func BenchmarkVerify(b *testing.B) {
	f := newFleet(b)
	envelope := f.signed(func(p *seal.Payload) { p.Body = string(bytes.Repeat([]byte("# a comment \"here\"\n"), 16<<10/19)) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.root.Verify(envelope, device, nil, trusted); err != nil {
			b.Fatal(err)
		}
	}
}
