package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"nearside/policy/seal"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// trusted is a reading of a clock that is right.
var trusted = seal.Reading{State: seal.ClockTrusted, Time: now}

var device = seal.Device{
	Tenant: "acme", Channel: "stable", ID: "kiosk-7", Ring: "early", Labels: map[string]string{"site": "Oslo 1"}, Agent: "1.2.0 (abc)",
}

func newKey(t testing.TB) *seal.Private {
	t.Helper()
	k, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// must gives what a call made that has to work.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fleet is an operator: three keys, two of which sign.
type fleet struct {
	a, b, c *seal.Private
	file    []byte
	root    *seal.Root
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{a: newKey(t), b: newKey(t), c: newKey(t)}
	f.file = rootOf(seal.Root{Version: 1, Threshold: 2, Tenant: "acme"}, f.keys())
	f.root = must(seal.ParseRoot(f.file))
	return f
}

func (f *fleet) keys() []*seal.Private { return []*seal.Private{f.a, f.b, f.c} }

// rootOf is the envelope of a root with those keys.
func rootOf(r seal.Root, keys []*seal.Private, signers ...seal.Signer) []byte {
	for _, k := range keys {
		r.Keys = append(r.Keys, k.Key())
	}
	return must(seal.Sign(seal.RootType, must(r.Encode()), signers...))
}

func payload() seal.Payload {
	return seal.Payload{Tenant: "acme", Channel: "stable", Version: 7, Issued: now.Add(-time.Hour), Kind: seal.KindPolicy, Body: "version: 1\n"}
}

// signed is the envelope of a payload that was changed, by a and b.
func (f *fleet) signed(change func(*seal.Payload)) []byte {
	p := payload()
	if change != nil {
		change(&p)
	}
	return must(seal.Sign(seal.PolicyType, must(p.Encode()), f.a, f.b))
}

// refused holds an error to a reason, which must be on the list.
func refused(t *testing.T, name string, err error, want string) {
	t.Helper()
	if got := seal.Reason(err); got != want {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

func TestVerify(t *testing.T) {
	f := newFleet(t)
	for name, change := range map[string]func(*seal.Payload){
		"plain":          nil,
		"all":            func(p *seal.Payload) { p.Audience = seal.Audience{"*"} },
		"device":         func(p *seal.Payload) { p.Audience = seal.Audience{"device:other", "device:kiosk-7"} },
		"ring":           func(p *seal.Payload) { p.Audience = seal.Audience{"ring:early"} },
		"label":          func(p *seal.Payload) { p.Audience = seal.Audience{"label:site=Oslo 1"} },
		"bare device":    func(p *seal.Payload) { p.Audience = seal.Audience{"kiosk-7"} },
		"bare ring":      func(p *seal.Payload) { p.Audience = seal.Audience{"early"} },
		"in time":        func(p *seal.Payload) { p.NotBefore, p.NotAfter = now, now.Add(time.Second) },
		"agent":          func(p *seal.Payload) { p.MinAgent = "1.2.0" },
		"agent, rc":      func(p *seal.Payload) { p.MinAgent = "1.2.0-rc1" },
		"share of all":   func(p *seal.Payload) { p.Rollout = &seal.Rollout{Pct: 100, Salt: "s"} },
		"higher epoch":   func(p *seal.Payload) { p.Epoch, p.Version = 4, 1 },
		"follows":        func(p *seal.Payload) { p.Previous = strings.Repeat("ab", 32) },
		"other kind":     func(p *seal.Payload) { p.Kind, p.Version = seal.KindPrices, 1 },
		"file":           func(p *seal.Payload) { p.Kind, p.Version, p.Body, p.Files = seal.KindGate, 1, "", []seal.File{file()} },
		"highest number": func(p *seal.Payload) { p.Version = 1<<53 - 1 },
	} {
		floors := seal.Floors{seal.FloorKey("acme", "stable", seal.KindPolicy): {Epoch: 0, Version: 6, Digest: strings.Repeat("cd", 32), Current: strings.Repeat("ab", 32)}}
		v, err := f.root.Verify(f.signed(change), device, floors, trusted)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(v.SignedBy) != 2 || v.SignedBy[0] != f.a.Key().ID() || len(v.Digest) != 64 || v.Known {
			t.Errorf("%s: got %+v", name, v)
		}
	}
}

func file() seal.File {
	return seal.File{Name: "car.gate", URL: "https://files.example/car.gate?v=2", SHA256: strings.Repeat("0f", 32), Bytes: 5 << 20}
}

// TestAttacks: what anybody might send who does not hold enough keys, or holds
// a document that was good elsewhere or before.
func TestAttacks(t *testing.T) {
	f, stranger := newFleet(t), newKey(t)
	good := must(seal.Open(f.signed(nil)))
	with := func(change func(e *seal.Envelope)) []byte {
		e := *good
		e.Payload, e.Signatures = bytes.Clone(good.Payload), append([]seal.Signature{}, good.Signatures...)
		change(&e)
		return wire(e)
	}
	sigs := func(list ...seal.Signature) []byte {
		return with(func(e *seal.Envelope) { e.Signatures = list })
	}
	a, b := good.Signatures[0], good.Signatures[1]
	other := must(seal.Open(must(seal.Sign(seal.PolicyType, good.Payload, stranger)))).Signatures[0]
	for name, c := range map[string]struct {
		envelope []byte
		want     string
	}{
		"no list":             {[]byte(strings.Replace(string(sigs()), `,"signatures":[]`, "", 1)), seal.Malformed},
		"null list":           {[]byte(strings.Replace(string(sigs()), `"signatures":[]`, `"signatures":null`, 1)), seal.Malformed},
		"empty list":          {sigs(), seal.Unsigned},
		"one of two":          {sigs(a), seal.TooFewSignatures},
		"same key twice":      {sigs(a, a), seal.TooFewSignatures},
		"one key and unknown": {sigs(a, other), seal.TooFewSignatures},
		"unknown key":         {sigs(other, other), seal.UnknownKey},
		"borrowed name":       {sigs(a, seal.Signature{KeyID: b.KeyID, Sig: other.Sig}), seal.BadSignature},
		"names swapped":       {sigs(seal.Signature{KeyID: b.KeyID, Sig: a.Sig}, seal.Signature{KeyID: a.KeyID, Sig: b.Sig}), seal.BadSignature},
		"altered body": {with(func(e *seal.Envelope) {
			e.Payload = bytes.Replace(e.Payload, []byte("version: 1"), []byte("version: 2"), 1)
		}), seal.BadSignature},
		"altered signature":   {sigs(a, seal.Signature{KeyID: b.KeyID, Sig: append([]byte{b.Sig[0] ^ 1}, b.Sig[1:]...)}), seal.BadSignature},
		"short signature":     {sigs(a, seal.Signature{KeyID: b.KeyID, Sig: b.Sig[:63]}), seal.BadSignature},
		"unknown type":        {with(func(e *seal.Envelope) { e.Type = "text/plain" }), seal.WrongType},
		"root for policy":     {with(func(e *seal.Envelope) { e.Type = seal.RootType }), seal.WrongType},
		"command for policy":  {with(func(e *seal.Envelope) { e.Type = seal.CommandType }), seal.WrongType},
		"many signatures":     {sigs(bytesOf(a, 17)...), seal.Malformed},
		"huge":                {bytes.Repeat([]byte(" "), seal.MaxBytes+1), seal.TooLarge},
		"deep":                {[]byte(`{"payloadType":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`), seal.Malformed},
		"very deep":           {bytes.Repeat([]byte("["), seal.MaxBytes), seal.Malformed},
		"trailing bytes":      {append(bytes.TrimSpace(f.signed(nil)), "{}"...), seal.Malformed},
		"byte order mark":     {append([]byte("\xef\xbb\xbf"), f.signed(nil)...), seal.Malformed},
		"UTF-16":              {[]byte("\xff\xfe{\x00}\x00"), seal.Malformed},
		"nothing":             {nil, seal.Malformed},
		"a list":              {[]byte(`[]`), seal.Malformed},
		"field twice":         {[]byte(strings.Replace(string(sigs(a, b)), `{"payload`, `{"payload":"e30=","payload`, 1)), seal.Malformed},
		"field twice, folded": {[]byte(strings.Replace(string(sigs(a, b)), `{"payload`, `{"Payload":"e30=","payload`, 1)), seal.Malformed},
		"field of wrong case": {[]byte(strings.Replace(string(sigs(a, b)), `"signatures"`, `"Signatures"`, 1)), seal.Malformed},
		"unknown field":       {[]byte(strings.Replace(string(sigs(a, b)), `{"payload`, `{"unsigned":1,"payload`, 1)), seal.Malformed},
		"line break":          {[]byte(strings.Replace(string(sigs(a, b)), `"payload":"`, `"payload":"\n`, 1)), seal.Malformed},
		"key id in capitals":  {sigs(a, seal.Signature{KeyID: strings.ToUpper(b.KeyID + "A")[:16], Sig: b.Sig}), seal.Malformed},
	} {
		_, err := f.root.Verify(c.envelope, device, nil, trusted)
		refused(t, name, err, c.want)
	}
}

func bytesOf(s seal.Signature, n int) []seal.Signature {
	list := make([]seal.Signature, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// wire writes an envelope as it is, right or wrong.
func wire(e seal.Envelope) []byte {
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   string `json:"sig"`
	}
	list := []signature{}
	for _, s := range e.Signatures {
		list = append(list, signature{s.KeyID, base64.StdEncoding.EncodeToString(s.Sig)})
	}
	return must(json.Marshal(struct {
		Type       string      `json:"payloadType"`
		Payload    []byte      `json:"payload"`
		Signatures []signature `json:"signatures"`
	}{e.Type, e.Payload, list}))
}

// TestWrongPlace: documents that are well signed, and not for this device or
// not now.
func TestWrongPlace(t *testing.T) {
	f := newFleet(t)
	floor := seal.Floor{Epoch: 2, Version: 7, Digest: strings.Repeat("cd", 32), Current: strings.Repeat("ab", 32)}
	for name, c := range map[string]struct {
		change func(*seal.Payload)
		want   string
	}{
		"other tenant":    {func(p *seal.Payload) { p.Tenant = "evil" }, seal.OtherTenant},
		"other channel":   {func(p *seal.Payload) { p.Channel = "beta" }, seal.OtherChannel},
		"other device":    {func(p *seal.Payload) { p.Audience = seal.Audience{"device:kiosk-8"} }, seal.OtherAudience},
		"ring as device":  {func(p *seal.Payload) { p.Audience = seal.Audience{"device:early"} }, seal.OtherAudience},
		"other label":     {func(p *seal.Payload) { p.Audience = seal.Audience{"label:site=Bergen", "label:floor=", "nobody"} }, seal.OtherAudience},
		"older":           {func(p *seal.Payload) { p.Version = 6 }, seal.OlderVersion},
		"other digest":    {nil, seal.OtherDigest},
		"epoch back":      {func(p *seal.Payload) { p.Epoch, p.Version = 1, 99 }, seal.EpochRolledBack},
		"agent too old":   {func(p *seal.Payload) { p.Version, p.MinAgent = 8, "1.2.1" }, seal.AgentTooOld},
		"agent, ten":      {func(p *seal.Payload) { p.Version, p.MinAgent = 8, "1.10.0-rc1" }, seal.AgentTooOld},
		"wrong previous":  {func(p *seal.Payload) { p.Version, p.Previous = 8, strings.Repeat("ef", 32) }, seal.WrongPrevious},
		"expired":         {func(p *seal.Payload) { p.Version, p.NotAfter = 8, now }, seal.Expired},
		"not yet":         {func(p *seal.Payload) { p.Version, p.NotBefore = 8, now.Add(time.Second) }, seal.NotYetValid},
		"not in share":    {func(p *seal.Payload) { p.Version, p.Rollout = 8, &seal.Rollout{Pct: 0, Salt: "s"} }, seal.NotInShare},
		"tenant, epoch":   {func(p *seal.Payload) { p.Tenant, p.Epoch = "evil", 1 }, seal.OtherTenant},
		"expired, no one": {func(p *seal.Payload) { p.NotAfter, p.Audience = now, seal.Audience{"x"} }, seal.OtherAudience},
	} {
		envelope := f.signed(func(p *seal.Payload) {
			p.Epoch = 2
			if c.change != nil {
				c.change(p)
			}
		})
		v, err := f.root.Verify(envelope, device, seal.Floors{"acme/stable/policy": floor}, trusted)
		refused(t, name, err, c.want)
		if v == nil || len(v.SignedBy) != 2 {
			t.Errorf("%s: a refused document that is well signed is %+v", name, v)
		}
	}
}

// TestKnown: a document that is in force may come again, even when it could not
// be taken any more. One that is in force no more, as after a reset, may not.
func TestKnown(t *testing.T) {
	f := newFleet(t)
	envelope := f.signed(func(p *seal.Payload) { p.NotAfter, p.Previous = now, strings.Repeat("ef", 32) })
	digest := seal.Digest(must(seal.Open(envelope)).Payload)
	floors := seal.Floors{"acme/stable/policy": {Version: 7, Digest: digest, Current: digest}}
	if v, err := f.root.Verify(envelope, device, floors, trusted); err != nil || !v.Known {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, now := range []string{"", strings.Repeat("cd", 32)} {
		_, err := f.root.Verify(envelope, device, seal.Floors{"acme/stable/policy": {Version: 7, Digest: digest, Current: now}}, trusted)
		refused(t, "what is in force no more", err, seal.WrongPrevious)
	}
}

func TestRotation(t *testing.T) {
	f, d := newFleet(t), newKey(t)
	next := seal.Root{Version: 2, Threshold: 2, Tenant: "acme", Epoch: 3}
	newKeys := []*seal.Private{f.b, f.c, d}
	two := rootOf(next, newKeys, f.a, f.b, f.c)
	second := must(f.root.Next(two))
	if second.Version != 2 || second.Epoch != 3 || len(second.Keys) != 3 {
		t.Fatalf("got %+v", second)
	}
	if again := must(seal.ParseRoot(two)); again.Version != 2 {
		t.Errorf("as a file: %+v", again)
	}
	_, err := second.Verify(f.signed(func(p *seal.Payload) { p.Epoch = 3 }), device, nil, trusted)
	refused(t, "revoked key", err, seal.TooFewSignatures)
	byNew := must(seal.Sign(seal.PolicyType, must(new(payload()).Encode()), f.b, d))
	_, err = second.Verify(byNew, device, nil, trusted)
	refused(t, "epoch below the root's", err, seal.EpochRolledBack)
	for name, c := range map[string]struct {
		from *seal.Root
		next []byte
		want string
	}{
		"replayed":       {second, two, seal.RootReplayed},
		"first":          {f.root, f.file, seal.Unsigned},
		"first, signed":  {second, rootOf(seal.Root{Version: 1, Threshold: 2, Tenant: "acme"}, f.keys(), f.b, f.c), seal.RootReplayed},
		"skipped":        {f.root, rootOf(seal.Root{Version: 3, Threshold: 2, Tenant: "acme"}, newKeys, f.b, f.c), seal.RootSkipped},
		"too few old":    {f.root, rootOf(next, newKeys, f.b, d), seal.RootTooFewOld},
		"too few new":    {f.root, rootOf(next, newKeys, f.a, f.b), seal.RootTooFewNew},
		"unsigned":       {f.root, rootOf(next, newKeys), seal.Unsigned},
		"other tenant":   {f.root, rootOf(seal.Root{Version: 2, Threshold: 2, Tenant: "evil"}, newKeys, f.b, f.c), seal.OtherTenant},
		"any tenant":     {f.root, rootOf(seal.Root{Version: 2, Threshold: 2}, newKeys, f.b, f.c), seal.OtherTenant},
		"epoch back":     {second, rootOf(seal.Root{Version: 3, Threshold: 1, Tenant: "acme", Epoch: 2}, newKeys, f.b, f.c), seal.EpochRolledBack},
		"policy as root": {f.root, f.signed(nil), seal.WrongType},
	} {
		got, err := c.from.Next(c.next)
		refused(t, name, err, c.want)
		if got != nil {
			t.Errorf("%s: a root that was refused is given", name)
		}
	}
	_, err = seal.ParseRoot(rootOf(next, newKeys, f.a, f.b))
	refused(t, "half signed file", err, seal.RootTooFewNew)
}
