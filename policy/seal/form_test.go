package seal_test

import (
	"strings"
	"testing"
	"time"

	"nearside/policy/seal"
)

// signedText is the envelope of a payload as it is written, by a and b.
func (f *fleet) signedText(typ, text string) []byte {
	return must(seal.Sign(typ, []byte(text), f.a, f.b))
}

const goodText = `{"tenant":"acme","channel":"stable","version":7,"issued":"2026-06-01T11:00:00Z","kind":"policy","body":"b"}`

// TestPayloadForm: whatever the signers wrote, only what is understood whole is
// taken, and the reason names the field.
func TestPayloadForm(t *testing.T) {
	f := newFleet(t)
	file := `{"name":"a","url":"https://h/a","sha256":"` + strings.Repeat("0f", 32) + `","bytes":5}`
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"version":7`, `"version":0`, "payload.version"},
		{`"version":7`, `"version":-7`, "payload.version"},
		{`"version":7`, `"version":7.0`, "payload.version"},
		{`"version":7`, `"version":7e0`, "payload.version"},
		{`"version":7`, `"version":"7"`, "payload.version"},
		{`"version":7`, `"version":9007199254740992`, "payload.version"},
		{`"version":7`, `"version":9223372036854775808`, "payload.version"},
		{`"version":7`, `"version":7,"version":8`, "payload has version twice"},
		{`"version":7`, `"version":7,"Version":8`, "payload has Version twice"},
		{`"version":7`, `"Version":7`, "payload.version"},
		{`"version":7`, `"version":7,"verſion":8`, "plain letters"},
		{`"version":7,`, ``, "payload.version"},
		{`"version":7`, `"version":7,"new_limit":1`, "payload.new_limit is not known"},
		{`"version":7`, `"version":7,"epoch":-1`, "payload.epoch"},
		{`"version":7`, `"version":7,"epoch":null`, "payload.epoch"},
		{`"acme"`, `""`, "payload.tenant"},
		{`"acme"`, `"a/b"`, "payload.tenant"},
		{`"acme"`, `"+"`, "payload.tenant"},
		{`"acme"`, `["acme"]`, "payload.tenant"},
		{`"acme"`, `"` + strings.Repeat("a", 65) + `"`, "payload.tenant"},
		{`"acme"`, `"\ud800"`, "U+FFFD"},
		{`"stable"`, `"a b"`, "payload.channel"},
		{`"policy"`, `"../x"`, "payload.kind"},
		{`"policy"`, `"song"`, "payload.kind"},
		{`"body":"b"`, `"body":""`, "payload.body"},
		{`"body":"b"`, `"body":{"a":1}`, "payload.body"},
		{`2026-06-01T11:00:00Z`, `yesterday`, "payload.issued"},
		{`2026-06-01T11:00:00Z`, `2026-06-01 11:00:00`, "payload.issued"},
		{`2026-06-01T11:00:00Z`, `0001-01-01T00:00:00Z`, "payload.issued"},
		{`"body"`, `"not_after":"","body"`, "payload.not_after"},
		{`"body"`, `"not_after":1893456000,"body"`, "payload.not_after"},
		{`"body"`, `"not_before":"2026-06-02T00:00:00Z","not_after":"2026-06-01T00:00:00Z","body"`, "not_after must be later"},
		{`"body"`, `"audience":[],"body"`, "payload.audience"},
		{`"body"`, `"audience":"","body"`, "payload.audience"},
		{`"body"`, `"audience":"group:x","body"`, "payload.audience"},
		{`"body"`, `"audience":["ring:early",7],"body"`, "payload.audience"},
		{`"body"`, `"audience":"device:","body"`, "payload.audience"},
		{`"body"`, `"audience":"label:site","body"`, "payload.audience"},
		{`"body"`, `"audience":[["*"]],"body"`, "payload.audience"},
		{`"body"`, `"min_agent":"new","body"`, "payload.min_agent"},
		{`"body"`, `"min_agent":"1.2","body"`, "payload.min_agent"},
		{`"body"`, `"previous":"ABC","body"`, "payload.previous"},
		{`"body"`, `"rollout":{"pct":50},"body"`, "payload.rollout.salt"},
		{`"body"`, `"rollout":{"pct":101,"salt":"s"},"body"`, "payload.rollout.pct"},
		{`"body"`, `"rollout":{"pct":"50","salt":"s"},"body"`, "payload.rollout.pct"},
		{`"body"`, `"rollout":{"pct":0.001,"salt":"s"},"body"`, "payload.rollout.pct"},
		{`"body"`, `"rollout":{"pct":5,"salt":"s","ring":"r"},"body"`, "payload.rollout.ring is not known"},
		{`"body"`, `"rollout":50,"body"`, "payload.rollout"},
		{`"body"`, `"files":[` + strings.Replace(file, `"a"`, `"../a"`, 1) + `],"body"`, "payload.files.name"},
		{`"body"`, `"files":[` + strings.Replace(file, `"a"`, `".a"`, 1) + `],"body"`, "payload.files.name"},
		{`"body"`, `"files":[` + strings.Replace(file, `"a"`, `"a/b"`, 1) + `],"body"`, "payload.files.name"},
		{`"body"`, `"files":[` + file + "," + strings.Replace(file, `"a"`, `"A"`, 1) + `],"body"`, "payload.files.name"},
		{`"body"`, `"files":[` + strings.Replace(file, `https:`, `http:`, 1) + `],"body"`, "payload.files.url"},
		{`"body"`, `"files":[` + strings.Replace(file, `https://h/a`, `file:///etc/passwd`, 1) + `],"body"`, "payload.files.url"},
		{`"body"`, `"files":[` + strings.Replace(file, `//h`, `//u:p@h`, 1) + `],"body"`, "payload.files.url"},
		{`"body"`, `"files":[` + strings.Replace(file, `0f`, `0F`, 1) + `],"body"`, "payload.files.sha256"},
		{`"body"`, `"files":[` + strings.Replace(file, `5}`, `1099511627777}`, 1) + `],"body"`, "payload.files.bytes"},
		{`"body"`, `"files":[` + strings.Replace(file, `5}`, `5,"mode":493}`, 1) + `],"body"`, "payload.files.mode is not known"},
		{`"body"`, `"files":[` + strings.Repeat(file+",", 64) + file + `],"body"`, "at most 64 files"},
		{`{"tenant"`, `[{"tenant"`, "not one JSON value"},
		{`"b"}`, `"b"} `, ""},
		{`"b"}`, `"b"}{}`, "nothing behind it"},
		{`"b"`, `"` + "\xff" + `"`, "not UTF-8"},
	} {
		_, err := f.root.Verify(f.signedText(seal.PolicyType, strings.Replace(goodText, c.old, c.new, 1)), device, nil, trusted)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.new, err)
		case c.want != "":
			says(t, c.new, err, c.want)
		}
	}
}

func TestRootForm(t *testing.T) {
	f := newFleet(t)
	good := string(must(f.root.Encode()))
	pem := strings.ReplaceAll(string(f.a.Key().PEM()), "\n", `\n`)
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"threshold":2`, `"threshold":0`, "root.threshold"},
		{`"threshold":2`, `"threshold":4`, "root.threshold is 4, but there are 3 keys"},
		{`"threshold":2`, `"threshold":9007199254740991`, "root.threshold"},
		{`"version":1`, `"version":0`, "root.version"},
		{`"keys":[`, `"keys":[],"old":[`, "root.old is not known"},
		{`"keys":[`, `"keys":[{"keyid":"` + f.a.Key().ID() + `","pem":"` + pem + `"},`, "twice"},
		{`"keyid":"` + f.a.Key().ID(), `"keyid":"` + f.b.Key().ID(), "the key that is called"},
		{`"tenant":"acme"`, `"tenant":"#"`, "root.tenant"},
		{`"tenant":"acme"`, `"tenant":"acme","expires":"never"`, "root.expires"},
		{`PUBLIC`, `PRIVATE`, "root.keys"},
	} {
		_, err := seal.ParseRoot(must(seal.Sign(seal.RootType, []byte(strings.Replace(good, c.old, c.new, 1)))))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.new, err)
		case c.want != "":
			says(t, c.new, err, c.want)
			refused(t, c.new, err, seal.Malformed)
		}
	}
	_, err := seal.ParseRoot(f.signed(nil))
	refused(t, "a policy", err, seal.WrongType)
	_, err = new(seal.Root{}).Next(rootOf(seal.Root{Version: 1, Threshold: 1}, f.keys(), f.a))
	refused(t, "after no root", err, seal.RootTooFewOld)
	_, err = new(seal.Root{}).Signers(must(seal.Open(f.signed(nil))))
	refused(t, "by no root", err, seal.UnknownKey)
}

// TestRootEnds: after its end a root takes nothing new but the next root.
func TestRootEnds(t *testing.T) {
	f := newFleet(t)
	ended := must(seal.ParseRoot(rootOf(seal.Root{Version: 1, Threshold: 1, Expires: now}, f.keys())))
	_, err := ended.Verify(f.signed(nil), device, nil, trusted)
	refused(t, "a policy", err, seal.RootExpired)
	_, err = ended.VerifyCommand(f.command(nil), device, trusted)
	refused(t, "a command", err, seal.RootExpired)
	if _, err = ended.Next(rootOf(seal.Root{Version: 2, Threshold: 1}, f.keys(), f.a)); err != nil {
		t.Errorf("the next root: %v", err)
	}
	if _, err = ended.Verify(f.signed(nil), device, nil, seal.Reading{State: seal.ClockFloor, Time: now.Add(-time.Second)}); err != nil {
		t.Errorf("before the floor reached its end: %v", err)
	}
}

func command() seal.Command {
	return seal.Command{Tenant: "acme", ID: "c-1", Do: "refresh", Issued: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), Args: map[string]string{"kind": "policy"}}
}

// command is the envelope of a command that was changed, by a and b.
func (f *fleet) command(change func(*seal.Command)) []byte {
	c := command()
	if change != nil {
		change(&c)
	}
	return must(seal.Sign(seal.CommandType, must(c.Encode()), f.a, f.b))
}

func TestVerifyCommand(t *testing.T) {
	f := newFleet(t)
	got, err := f.root.VerifyCommand(f.command(func(c *seal.Command) { c.Audience = seal.Audience{"device:kiosk-7"} }), device, trusted)
	if err != nil || got.ID != "c-1" || got.Do != "refresh" || got.Args["kind"] != "policy" {
		t.Errorf("got %+v, %v", got, err)
	}
	unsigned := must(seal.Sign(seal.CommandType, must(new(command()).Encode())))
	for name, c := range map[string]struct {
		envelope []byte
		want     string
	}{
		"unsigned":     {unsigned, seal.Unsigned},
		"one of two":   {must(seal.Add(unsigned, f.c)), seal.TooFewSignatures},
		"stranger":     {must(seal.Add(unsigned, newKey(t))), seal.UnknownKey},
		"a policy":     {f.signed(nil), seal.WrongType},
		"other tenant": {f.command(func(c *seal.Command) { c.Tenant = "evil" }), seal.OtherTenant},
		"other device": {f.command(func(c *seal.Command) { c.Audience = seal.Audience{"device:kiosk-8"} }), seal.OtherAudience},
		"expired":      {f.command(func(c *seal.Command) { c.NotAfter = now }), seal.Expired},
		"of next year": {f.command(func(c *seal.Command) {
			c.Issued, c.NotAfter = now.Add(365*24*time.Hour), now.Add(366*24*time.Hour)
		}), seal.NotYetValid},
	} {
		got, err := f.root.VerifyCommand(c.envelope, device, trusted)
		refused(t, name, err, c.want)
		if got != nil {
			t.Errorf("%s: a command that was refused is given", name)
		}
	}
	_, err = f.root.Verify(f.command(nil), device, nil, trusted)
	refused(t, "as a policy", err, seal.WrongType)
}

func TestCommandForm(t *testing.T) {
	f := newFleet(t)
	good := string(must(new(command()).Encode()))
	for _, c := range []struct{ old, new, want string }{
		{`"c-1"`, `"../c"`, "command.id"},
		{`"refresh"`, `"rm -rf"`, "command.do"},
		{`"not_after":"2026-06-01T13:00:00Z",`, ``, "command.not_after"},
		{`2026-06-01T13:00:00Z`, `2026-06-01T11:59:00Z`, "not_after must be later than issued"},
		{`2026-06-01T13:00:00Z`, `2026-07-03T13:00:00Z`, "at most 31 days"},
		{`{"kind":"policy"}`, `{"kind":1}`, "command.args.kind"},
		{`{"kind":"policy"}`, `{"Kind":"policy"}`, "command.args.Kind"},
		{`{"kind":"policy"}`, `["policy"]`, "command.args"},
		{`"do"`, `"sudo":true,"do"`, "command.sudo is not known"},
	} {
		_, err := f.root.VerifyCommand(f.signedText(seal.CommandType, strings.Replace(good, c.old, c.new, 1)), device, trusted)
		says(t, c.new, err, c.want)
		refused(t, c.new, err, seal.Malformed)
	}
}

// reasons are all that a refusal of this package can give.
var reasons = []string{
	seal.TooLarge, seal.Malformed, seal.WrongType, seal.Unsigned, seal.TooFewSignatures, seal.UnknownKey,
	seal.BadSignature, seal.UnknownKind, seal.OtherTenant, seal.OtherChannel, seal.OtherAudience, seal.OlderVersion,
	seal.OtherDigest, seal.EpochRolledBack, seal.Expired, seal.NotYetValid, seal.AgentTooOld, seal.WrongPrevious,
	seal.NotInShare, seal.RootReplayed, seal.RootSkipped, seal.RootTooFewOld, seal.RootTooFewNew, seal.RootExpired,
}

// TestReasons: the list of reasons has each once.
func TestReasons(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, r := range reasons {
		if seen[r] || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%q is twice on the list, or no token", r)
		}
		seen[r] = true
	}
	if got := seal.Reason(&seal.Refusal{Reason: "x"}); got != "x" || seal.Reason(nil) != "" {
		t.Errorf("got %q", got)
	}
}

// TestShare: a share grows without leaving anybody out, and is as large as it
// says.
func TestShare(t *testing.T) {
	if got := seal.Share("7", "kiosk-7"); got != 7233 {
		t.Errorf("the place of kiosk-7 is %d; it must never change", got)
	}
	for _, pct := range []float64{0, 0.07, 1, 10, 33.33, 99.99, 100} {
		in := 0
		for i := range 20_000 {
			id := "d" + strings.Repeat("x", i%7) + time.Duration(i).String()
			has := seal.Rollout{Pct: pct, Salt: "s"}.Has(id)
			if has {
				in++
			}
			if less := (seal.Rollout{Pct: pct / 2, Salt: "s"}); less.Has(id) && !has {
				t.Fatalf("%s is in at %v %% and out at %v %%", id, less.Pct, pct)
			}
		}
		if got := float64(in) / 200; got < pct-1 || got > pct+1 || pct == 0 && in > 0 || pct == 100 && in < 20_000 {
			t.Errorf("%v %% reaches %v %%", pct, got)
		}
	}
}

func TestAgents(t *testing.T) {
	f := newFleet(t)
	for _, c := range []struct {
		agent, wanted string
		ok            bool
	}{
		{"1.2.3", "1.2.3", true}, {"1.2.3", "1.2.4", false}, {"1.10.0", "1.9.9", true}, {"2.0.0", "1.99.99", true},
		{"v1.2.3 (abc)", "1.2.3", true}, {"1.2.3-rc1", "1.2.3", false}, {"1.2.3", "1.2.3-rc1", true}, {"1.2.3+x", "1.2.3", true},
		{"dev", "0.0.1", false}, {"", "0.0.1", false}, {"1.2.-3", "0.0.1", false}, {"1.2.3.4", "0.0.1", false},
	} {
		d := device
		d.Agent = c.agent
		_, err := f.root.Verify(f.signed(func(p *seal.Payload) { p.MinAgent = c.wanted }), d, nil, trusted)
		if ok := err == nil; ok != c.ok {
			t.Errorf("%q where %s is wanted: %v", c.agent, c.wanted, err)
		}
	}
}
