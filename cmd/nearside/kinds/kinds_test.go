package kinds_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nearside/agent/config"
	"nearside/agent/config/secret"
	"nearside/cloud/parcel"
	"nearside/cmd/nearside/kinds"
	"nearside/policy"
	"nearside/policy/gate"
	"nearside/policy/seal"
)

func read(t *testing.T, kind, body string, files ...seal.File) kinds.Document {
	t.Helper()
	d, err := kinds.Read(&seal.Payload{Kind: kind, Body: body, Files: files})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return d
}

func file(name string) seal.File {
	return seal.File{Name: name, URL: "https://files.example/" + name, SHA256: strings.Repeat("a", 64), Bytes: 10}
}

// device is a config as an operator might have written it.
func device() *config.Config {
	c := config.Default()
	c.Local = config.Local{Engine: config.Engine{Start: "ask"}}
	c.Cloud.Targets = []config.Target{
		{Name: "first", Kind: "openai", BaseURL: "https://api.example/v1", Key: secret.Key{Env: "FIRST_KEY"}, Models: map[string]string{"chat": "big"}, Price: &config.Price{Input: 1, Output: 2}},
		{Name: "second", Kind: "openai", BaseURL: "https://other.example/v1", Models: map[string]string{"chat": "m", "embed": "e"}},
		{Name: "api", Kind: "http", BaseURL: "https://api.example/x", Services: config.Offer{Names: []string{"stock"}, APIs: map[string]config.API{"stock": {Method: "GET", Path: "/s"}}}},
	}
	return c
}

// over lays one document over the device.
func over(t *testing.T, d kinds.Document, own *policy.Document, kind string) (*config.Config, []string, error) {
	t.Helper()
	before := device()
	next, notes, err := laid(kinds.Set(nil).With(kind, d), before, own)
	if !reflect.DeepEqual(before, device()) {
		t.Fatal("the config itself was changed")
	}
	return next, notes, err
}

// laid is what comes of a set, the notes as text, and the fault of a document
// that was left out.
func laid(s kinds.Set, cfg *config.Config, own *policy.Document) (next *config.Config, notes []string, err error) {
	next, said := s.Over(cfg, own)
	for _, n := range said {
		if n.Whole {
			err = errors.Join(err, errors.New(n.Kind+": "+n.Text))
			continue
		}
		notes = append(notes, n.Kind+": "+n.Text)
	}
	return next, notes, err
}

func names(c *config.Config) []string {
	var all []string
	for _, t := range c.Cloud.Targets {
		all = append(all, t.Name)
	}
	return all
}

// TestPrices: never below the config's own, never where the config has none.
func TestPrices(t *testing.T) {
	f := func(body string, want config.Price, notes ...string) {
		t.Helper()
		c, got, err := over(t, read(t, seal.KindPrices, body), nil, seal.KindPrices)
		if err != nil || *c.Cloud.Targets[0].Price != want || c.Cloud.Targets[1].Price != nil {
			t.Errorf("%s: got %+v %+v %v, want %+v", body, *c.Cloud.Targets[0].Price, c.Cloud.Targets[1].Price, err, want)
		}
		if !slices.EqualFunc(got, notes, strings.Contains) {
			t.Errorf("%s: got notes %q, want %q", body, got, notes)
		}
	}
	f("prices: {first: {input: 3, output: 4}}", config.Price{Input: 3, Output: 4})
	f("prices: {first: {input: 3, output: 1}}", config.Price{Input: 3, Output: 2}, "prices: first: a price below")
	f(`{"prices": {"first": {"input": 0, "output": 0}}}`, config.Price{Input: 1, Output: 2}, "prices: first: a price below")
	f("prices: {second: {input: 3, output: 4}, elsewhere: {input: 1, output: 1}}", config.Price{Input: 1, Output: 2}, "second: the config gives it no price")
}

// TestTargets: what may be changed of those that are there, and what may be
// added.
func TestTargets(t *testing.T) {
	f := func(body string, check func(c *config.Config) bool, notes ...string) {
		t.Helper()
		c, got, err := over(t, read(t, seal.KindTargets, body), nil, seal.KindTargets)
		if err != nil || !check(c) {
			t.Errorf("%s: got %+v, %v", body, c, err)
		}
		if !slices.EqualFunc(got, notes, strings.Contains) {
			t.Errorf("%s: got notes %q, want %q", body, got, notes)
		}
	}
	f("targets: [{name: first, disabled: true}]", func(c *config.Config) bool { return slices.Equal(names(c), []string{"second", "api"}) }, "first: switched off")
	f("targets: [{name: second, weight: 7}, {name: nowhere, weight: 3}]", func(c *config.Config) bool { return c.Cloud.Targets[1].Weight == 7 })
	f("targets: [{name: second, models: {chat: n, speech: x}}]", func(c *config.Config) bool {
		return maps.Equal(c.Cloud.Targets[1].Models, map[string]string{"chat": "n", "embed": "e"})
	})
	f("targets: [{name: first, models: {chat: n}, price: {input: 1, output: 9}}]", func(c *config.Config) bool {
		return c.Cloud.Targets[0].Models["chat"] == "n" && c.Cloud.Targets[0].Price.Output == 9
	})
	const third = "targets: [{name: third, base_url: 'https://API.example:443/v2', key_of: first, models: {chat: n}, price: {input: 1, output: 2}, weight: 2, context: 4096}]"
	f(third, func(c *config.Config) bool {
		n := c.Cloud.Targets[3]
		return n.Key.Env == "FIRST_KEY" && n.BaseURL == "https://API.example:443/v2" && n.Weight == 2 && n.Context == 4096 && n.Kind == "openai" && slices.Equal(n.Services.Names, []string{"chat"})
	}, "third: added")
	f("targets: [{name: free, base_url: 'https://free.example/v1', models: {chat: n}, price: {input: 0, output: 0}}]", func(c *config.Config) bool {
		return c.Cloud.Targets[3].Key.IsZero()
	}, "free: added")
	f("targets: [{name: third, base_url: 'https://api.example/v2', key_of: elsewhere, models: {chat: n}, price: {input: 1, output: 2}}]",
		func(c *config.Config) bool { return len(c.Cloud.Targets) == 3 }, "third: not added: there is no target elsewhere here")
}

// TestTargetsRefused: no key goes to another host, nothing leads elsewhere than
// the config says, nothing gets cheaper by another name.
func TestTargetsRefused(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, _, err := over(t, read(t, seal.KindTargets, body), nil, seal.KindTargets)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
	added := func(name, url, more string) string {
		return "targets: [{name: " + name + ", base_url: '" + url + "', models: {chat: n}, price: {input: 1, output: 2}" + more + "}]"
	}
	f(added("third", "https://evil.example/v1", ", key_of: first"), "key_of: a key of first goes to its own host")
	f(added("third", "https://api.example.evil.example/v1", ", key_of: first"), "its own host")
	f(added("third", "https://api.example:8443/v1", ", key_of: first"), "its own host")
	f(strings.Replace(added("third", "https://api.example/v2", ", key_of: first"), "input: 1", "input: 0.5", 1), "price: must be at least that of first")
	f(added("third", "https://other.example/v2", ", key_of: second"), "price: must be at least that of second")
	f(added("FIRST", "https://api.example/v2", ""), "base_url: FIRST is a target of this device's config")
	f("targets: [{name: first, models: {chat: dear}}]", "price is missing")
	f("targets: [{name: api, models: {chat: m}}]", "kind http")
}

// TestNothingIsAdded where the device's own policy denies by name.
func TestNothingIsAdded(t *testing.T) {
	own := &policy.Document{Rules: []policy.Rule{{Name: "r", Then: policy.Effect{Deny: []string{"cloud/first"}}}}}
	body := "targets: [{name: third, base_url: 'https://api.example/v2', key_of: first, models: {chat: n}, price: {input: 1, output: 2}}]"
	c, notes, err := over(t, read(t, seal.KindTargets, body), own, seal.KindTargets)
	if err != nil || len(c.Cloud.Targets) != 3 || len(notes) != 1 || !strings.Contains(notes[0], "denies cloud targets by name") {
		t.Errorf("got %v, %q, %v", names(c), notes, err)
	}
}

// TestTogether: prices hold for targets that were added, and never less than
// those they were added with.
func TestTogether(t *testing.T) {
	set := kinds.Set(nil).
		With(seal.KindPrices, read(t, seal.KindPrices, "prices: {third: {input: 5, output: 1}}")).
		With(seal.KindTargets, read(t, seal.KindTargets, "targets: [{name: third, base_url: 'https://api.example/v2', key_of: first, models: {chat: n}, price: {input: 1, output: 2}}]"))
	c, _, err := laid(set, device(), nil)
	if err != nil || *c.Cloud.Targets[3].Price != (config.Price{Input: 5, Output: 2}) {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, _, err = laid(set.With(seal.KindTargets, read(t, seal.KindTargets, "targets: [{name: api, models: {chat: m}}, {name: first, weight: 5}]")), device(), nil); err == nil || len(c.Cloud.Targets) != 3 || c.Cloud.Targets[0].Weight != 0 {
		t.Errorf("one that does not fit: got %+v, %v; want it left out whole", c, err)
	}
	c, _, err = laid(set.With(seal.KindTargets, nil), device(), nil)
	if err != nil || len(c.Cloud.Targets) != 3 {
		t.Errorf("taken away: got %+v, %v", c, err)
	}
}

// TestFaults: the line, the column and the field, and nothing that was not
// meant.
func TestFaults(t *testing.T) {
	f := func(kind, body, want string, files ...seal.File) {
		t.Helper()
		_, err := kinds.Read(&seal.Payload{Kind: kind, Body: body, Files: files})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s: got %v, want %q", kind, body, err, want)
		}
	}
	f("policy", "x", `kind is "policy"`)
	f(seal.KindPrices, "prices: {}", "prices:1:1: prices: has 0 targets")
	f(seal.KindPrices, "prices: {first: {input: 1}}", "prices.first: output is missing")
	f(seal.KindPrices, "prices: {first: {input: -1, output: 1}}", "prices.first.input: must be from 0")
	f(seal.KindPrices, "prices: {first: {input: .nan, output: 1}}", "prices.first.input: must be")
	f(seal.KindPrices, "prices: {first: {input: 1, output: 1e7}}", "prices.first.output: must be from 0 to 1e+06")
	f(seal.KindPrices, "prices: {first: {input: 1, output: 1, cached: 1}}", "prices.first.cached: unknown key")
	f(seal.KindPrices, "prices: {first: {input: 1, output: 1}}", "files has 1", file("a"))
	f(seal.KindTargets, "targets: []", "targets: has 0")
	f(seal.KindTargets, "targets: [{name: a}]", "targets[0]: changes nothing")
	f(seal.KindTargets, "targets: [{weight: 1}]", "targets[0].name: is missing")
	f(seal.KindTargets, "targets: [{name: a, weight: 0}]", "targets[0].weight: must be from 1 to 100")
	f(seal.KindTargets, "targets: [{name: a, weight: 1}, {name: A, weight: 1}]", "targets[1].name: is there twice")
	f(seal.KindTargets, "targets: [{name: a, key: {env: X}}]", "targets[0].key: unknown key")
	f(seal.KindTargets, "targets: [{name: a, headers: {X: y}}]", "targets[0].headers: unknown key")
	f(seal.KindTargets, "targets: [{name: a, key_of: b, weight: 1}]", "has key_of or context")
	f(seal.KindTargets, "targets: [{name: a, models: {chat: ''}}]", "targets[0].models: must be names")
	added := func(url, more string) string { return "targets: [{name: a, base_url: '" + url + "'" + more + "}]" }
	const rest = ", models: {chat: m}, price: {input: 1, output: 1}"
	f(seal.KindTargets, added("https://a.example", ", models: {chat: m}"), "targets[0].price: is missing")
	f(seal.KindTargets, added("https://a.example", ", price: {input: 1, output: 1}"), "targets[0].models: is missing")
	f(seal.KindTargets, added("https://a.example", rest+", disabled: true"), "targets[0].disabled")
	f(seal.KindTargets, added("http://a.example", rest), "targets[0].base_url: must begin with https://")
	f(seal.KindTargets, added("https://u:p@a.example", rest), "targets[0].base_url: must hold no user")
	for _, host := range []string{"localhost", "LOCALHOST.", "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "metadata.google.internal", "printer.local", "router"} {
		f(seal.KindTargets, added("https://"+host+"/v1", rest), "must lead to the net")
	}
	f(seal.KindGate, "", "one of a profile and a file")
	f(seal.KindGate, "profile: car", "one of a profile and a file", file("a.gate"))
	f(seal.KindGate, "", "one of a profile and a file", file("a.gate"), file("b.gate"))
	f(seal.KindGate, "profile: plane", "profile: must be one of car")
	f(seal.KindGate, "{profile: car, threshold: 2}", "threshold: must be from 0 to 1")
	f(seal.KindGate, "metered: always", "metered: must be allow", file("a.gate"))
	f(seal.KindGate, "name: ../x", "name: must be at most 32", file("a.gate"))
	f(seal.KindGate, "", "files[0].name", file("../a.gate"))
	f(seal.KindGate, "", "files[0].url", seal.File{Name: "a", URL: "http://a.example", SHA256: strings.Repeat("a", 64), Bytes: 1})
	f(seal.KindCalibration, "{}", "calibration")
	f(seal.KindCalibration, "metered: no", "metered: must be allow", file("a.json"))
	f(seal.KindCalibration, "", "files[0].bytes", seal.File{Name: "a", URL: "https://a.example", SHA256: strings.Repeat("a", 64), Bytes: 5 << 20})
	f(seal.KindCalibration, "", "files has 9", slices.Repeat([]seal.File{file("a")}, 9)...)
}

// shelf gives every file these bytes.
func shelf(b []byte, err error) kinds.Reader {
	return func(parcel.File) ([]byte, error) { return b, err }
}

// trained is a small gate that knows these intents.
func trained(t *testing.T, intents ...string) []byte {
	t.Helper()
	var examples []gate.Example
	for _, i := range intents {
		for _, text := range []string{"please " + i + " now", "could you " + i, i + " it", "do " + i + " again", "I want to " + i} {
			examples = append(examples, gate.Example{Text: text, Label: i})
		}
	}
	g, _, err := gate.Train(examples, gate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNobodyLeft: what switches off all that there is does not hold.
func TestNobodyLeft(t *testing.T) {
	all := "targets: [{name: first, disabled: true}, {name: second, disabled: true}, {name: api, disabled: true}]"
	c, _, err := over(t, read(t, seal.KindTargets, all), nil, seal.KindTargets)
	if err == nil || !strings.Contains(err.Error(), "nobody could answer") || len(names(c)) != 3 {
		t.Errorf("got %v, %v", names(c), err)
	}
}

// TestGate stands in the place of the device's own, under its name, when it
// knows as much.
func TestGate(t *testing.T) {
	small := trained(t, "open", "close")
	d := read(t, seal.KindGate, "", file("shop.gate"))
	if w := d.Wishes(); len(w) != 1 || w[0].Dear || w[0].Name != "shop.gate" {
		t.Errorf("wishes %+v", w)
	}
	if w := read(t, seal.KindGate, "metered: allow", file("shop.gate")).Wishes(); !w[0].Dear {
		t.Errorf("wishes %+v", w)
	}
	if err := d.Load(shelf(nil, fs.ErrNotExist)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := d.Load(shelf(small[1:], nil)); err == nil || !strings.Contains(err.Error(), "not a gate file") {
		t.Errorf("got %v", err)
	}
	if err := d.Load(shelf(small, nil)); err != nil {
		t.Fatal(err)
	}
	c, _, err := over(t, d, nil, seal.KindGate)
	if err != nil || c.Local.Gate.Name() != "gate-shop" || c.Local.Gate.Least() != config.GateThreshold {
		t.Fatalf("got %+v, %v", c, err)
	}
	if b, err := c.Local.Gate.Read(); err != nil || !bytes.Equal(b, small) {
		t.Errorf("reads %d bytes, %v", len(b), err)
	}
	own, least := device(), 0.8
	own.Local.Gate = &config.Gate{Profile: "car", Threshold: &least}
	_, _, err = laid(kinds.Set(nil).With(seal.KindGate, d), own, nil)
	if err == nil || !strings.Contains(err.Error(), "does not know the intent") {
		t.Errorf("got %v", err)
	}
	same := read(t, seal.KindGate, "{profile: car, name: other}")
	if err := same.Load(shelf(nil, fs.ErrNotExist)); err != nil {
		t.Fatal(err)
	}
	c, _, err = laid(kinds.Set(nil).With(seal.KindGate, same), own, nil)
	if err != nil || c.Local.Gate.Name() != "gate-car" || c.Local.Gate.Least() != 0.8 {
		t.Errorf("got %+v, %v", c, err)
	}
	for field, binds := range map[string]bool{"intent": true, "p_in_scope": true, "task": false} {
		by := policy.Condition{Not: &policy.Condition{Field: field}}
		for _, e := range []policy.Effect{{Privacy: policy.Private}, {Prefer: []string{"local"}}} {
			rules := &policy.Document{Rules: []policy.Rule{{Name: "secret", When: policy.Condition{Any: []policy.Condition{by}}, Then: e}}}
			_, _, err := laid(kinds.Set(nil).With(seal.KindGate, same), own, rules)
			if refused := err != nil && strings.Contains(err.Error(), "rule secret"); refused != (binds && e.Privacy != "") {
				t.Errorf("a rule by %s, %+v: %v", field, e, err)
			}
		}
	}
	own.Local.Disabled = true
	c, notes, err := laid(kinds.Set(nil).With(seal.KindGate, same), own, nil)
	if err != nil || c.Local.Gate != own.Local.Gate || len(notes) != 1 {
		t.Errorf("got %+v, %q, %v", c, notes, err)
	}
}

// TestCalibration is found by the model it was measured of, from the body or
// from files.
func TestCalibration(t *testing.T) {
	text, err := os.ReadFile("../tables/smollm2-135m.json")
	if err != nil {
		t.Fatal(err)
	}
	const sum = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
	body := read(t, seal.KindCalibration, string(text))
	if err := body.Load(shelf(nil, fs.ErrNotExist)); err != nil {
		t.Error(err)
	}
	files := read(t, seal.KindCalibration, "metered: allow", file("a.json"))
	if err := files.Load(shelf(text, nil)); err != nil {
		t.Error(err)
	}
	for name, d := range map[string]kinds.Document{"body": body, "files": files} {
		set := kinds.Set(nil).With(seal.KindCalibration, d)
		if got := set.Table(sum); got == nil || got.Model().SHA256 != sum {
			t.Errorf("%s: got %v", name, got)
		}
		if set.Table(strings.Repeat("b", 64)) != nil || set.With(seal.KindCalibration, nil).Table(sum) != nil {
			t.Errorf("%s: a table of another model", name)
		}
	}
	two := read(t, seal.KindCalibration, "", file("a.json"), file("b.json"))
	if err := two.Load(shelf(text, nil)); err == nil || !strings.Contains(err.Error(), "file b.json: there is a table of the model") {
		t.Errorf("got %v", err)
	}
	if err := two.Load(shelf(bytes.Replace(text, []byte(`"weight":2`), []byte(`"weight":3`), 1), nil)); err == nil || !strings.Contains(err.Error(), "altered") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, body := range []string{
		"prices: {first: {input: 1, output: 2}}", "targets: [{name: first, disabled: true}]", "profile: car", "metered: allow",
		"targets: [{name: third, base_url: 'https://api.example/v2', key_of: first, models: {chat: n}, price: {input: 1, output: 2}}]",
	} {
		for i := range kinds.Names() {
			f.Add(i, body)
		}
	}
	f.Fuzz(func(t *testing.T, kind int, body string) {
		name := kinds.Names()[uint(kind)%4]
		d, err := kinds.Read(&seal.Payload{Kind: name, Body: body})
		if err != nil {
			return
		}
		if err := d.Load(shelf(nil, fs.ErrNotExist)); err != nil {
			return
		}
		was := device()
		c, _, err := laid(kinds.Set(nil).With(name, d), was, nil)
		if err != nil {
			return
		}
		for i, x := range c.Cloud.Targets {
			if !x.Key.IsZero() && !strings.HasPrefix(strings.ToLower(x.BaseURL), "https://api.example") {
				t.Errorf("the key goes to %s", x.BaseURL)
			}
			if i == 0 && x.Name == "first" && (x.Price.Input < 1 || x.Price.Output < 2) {
				t.Errorf("first costs %+v", x.Price)
			}
		}
	})
}
