package report_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/cloud/report"
	"nearside/cloud/steer/news"
	"nearside/cloud/wire"
	"nearside/policy/seal"
)

func signed(t *testing.T) (envelope []byte, digest string) {
	t.Helper()
	key, err := seal.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := (&seal.Payload{Tenant: "acme", Channel: "stable", Version: 7, Issued: time.Now(), Kind: seal.KindPolicy, Body: "x"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if envelope, err = seal.Sign(seal.PolicyType, payload, key); err != nil {
		t.Fatal(err)
	}
	return envelope, seal.Digest(payload)
}

func TestOffered(t *testing.T) {
	envelope, digest := signed(t)
	taken := news.Result{Kind: "gate", Version: 7, Digest: digest, State: "confirmed"}
	again := taken
	again.Again = true
	refused := fmt.Errorf("offer: %w", &seal.Refusal{Reason: seal.OlderVersion, Detail: "version 7"})
	for _, c := range []struct {
		name     string
		envelope []byte
		result   news.Result
		err      error
		want     *wire.Result
	}{
		{"taken", envelope, taken, nil, &wire.Result{Kind: "gate", Version: 7, Digest: digest, OK: true}},
		{"in force already", envelope, again, nil, nil},
		{"not looked at", envelope, news.Result{}, errors.New("it ends"), nil},
		{"refused", envelope, news.Result{}, refused, &wire.Result{Digest: digest, Reason: seal.OlderVersion, Detail: refused.Error()}},
		{"no envelope", []byte("{"), news.Result{}, refused, &wire.Result{Reason: seal.OlderVersion, Detail: refused.Error()}},
	} {
		if got := report.Offered(c.envelope, c.result, c.err); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestWhateverTheText: what a stranger brings about in a detail can be sent.
func TestWhateverTheText(t *testing.T) {
	for _, text := range []string{"\x1b[2J\nclear", strings.Repeat("ü", 5000), strings.Repeat("x", 999) + "ü", "\xff\xfe"} {
		r := report.Offered([]byte("{"), news.Result{}, &seal.Refusal{Reason: seal.Malformed, Detail: text})
		b, err := json.Marshal(wire.Status{Device: "car-1", Result: r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.ParseStatus(b); err != nil {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestHappened(t *testing.T) {
	e := news.Event{Kind: news.RolledBack, What: "policy", Version: 2, Digest: "d", Reason: "harm", Detail: "private", Evidence: []string{"errors 9 %"}}
	want := &wire.Result{Kind: "policy", Version: 2, Digest: "d", Reason: "harm", Detail: "rolled back", Evidence: e.Evidence}
	if got := report.Happened(e); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	e.Kind = news.Confirmed
	if got := report.Happened(e); got != nil {
		t.Errorf("got %+v of what is confirmed", got)
	}
}

func TestInForce(t *testing.T) {
	s := news.Status{Version: 3, Epoch: 1, Digest: "d", State: "probation", Kinds: []news.Result{{Kind: "gate", Version: 9, Digest: "e"}}}
	if got, want := report.InForce(s), (wire.Applied{Version: 3, Epoch: 1, Digest: "d", State: "probation"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := report.Kinds(s), []wire.Applied{{Kind: "gate", Version: 9, Digest: "e", State: "confirmed"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name, result string
		ok           bool
		want         wire.Answer
	}{
		{"an object", `{"left":2}`, true, wire.Answer{Result: map[string]any{"left": 2.0}}},
		{"no object", `[1]`, true, wire.Answer{Result: map[string]any{"answer": "[1]"}}},
		{"nothing", ``, true, wire.Answer{}},
		{"a fault", `{"error":"no\nway"}`, false, wire.Answer{Error: "no way"}},
		{"a word error in what went well", `{"error":"none"}`, true, wire.Answer{Result: map[string]any{"error": "none"}}},
	} {
		c.want.ID, c.want.Device, c.want.OK = "1", "car-1", c.ok
		if got := report.Answer("car-1", news.Answer{ID: "1", OK: c.ok, Result: json.RawMessage(c.result)}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
