package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"nearside/agent/decision"
	"nearside/cmd/fakecloud/fake"
)

// shaped is an ask for JSON that fits a schema.
func shaped() ask {
	return inCloud("who wrote Faust?").with("response_format", json.RawMessage(`{"type":"json_schema","json_schema":{"name":"author",
		"schema":{"type":"object","required":["author"],"properties":{"author":{"type":"string"}},"additionalProperties":false}}}`))
}

// outcome is the recorded end of a request.
func (h *house) outcome(t *testing.T, r *reply) decision.Outcome {
	t.Helper()
	id := r.header.Get("x-nearside-decision")
	var rec decision.Record
	until(t, "it is recorded", patience, func() bool { return json.Unmarshal(h.get("/v1/decisions/"+id), &rec) == nil && rec.ID == id })
	return rec.Outcome
}

// fit tells whether a recorded answer had the form that was asked for.
func fit(t *testing.T, o decision.Outcome, want bool) {
	t.Helper()
	if o.Formed == nil || *o.Formed != want {
		t.Errorf("recorded %+v, want schema_valid %t", o, want)
	}
}

// TestFormatFailsOver has the first target answer with words instead of JSON.
func TestFormatFailsOver(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(one, two))
	set(t, one, fake.Fault{Kind: fake.Misshapen})
	r := h.ask(shaped())
	if r.target() != "cloud/second" || !strings.HasPrefix(r.text, `{"author":`) || r.header.Get("x-nearside-attempts") != "2" {
		t.Errorf("got %v, want JSON of the second", r)
	}
	fit(t, h.outcome(t, r), true)
	if r := h.ask(shaped().with("response_format", map[string]string{"type": "json_object"}).with("messages", []any{map[string]string{"role": "user", "content": "json, please"}})); r.target() != "cloud/second" || !strings.HasPrefix(r.text, `{`) {
		t.Errorf("json_object: got %v, want JSON of the second", r)
	}
}

// TestFormatNobodyKeeps has every target answer with words: they are given, are
// called what they are, and are not kept.
func TestFormatNobodyKeeps(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(one, two))
	set(t, one, fake.Fault{Kind: fake.Misshapen})
	set(t, two, fake.Fault{Kind: fake.Misshapen})
	for range 2 {
		r := h.ask(shaped().with("temperature", 0))
		if r.status != http.StatusOK || r.route() != "cloud" || r.header.Get("x-nearside-degraded") != "1" || r.header.Get("x-nearside-warnings") != "schema_invalid" {
			t.Fatalf("got %v, want a degraded answer", r)
		}
		o := h.outcome(t, r)
		fit(t, o, false)
		if o.Reason != "forced_mode" || !o.Degraded {
			t.Errorf("recorded %+v", o)
		}
	}
}

// TestFormatOfStreams: a stream goes out as it comes, and is judged at its end,
// unless the policy has it checked first.
func TestFormatOfStreams(t *testing.T) {
	t.Parallel()
	one, two := newCloud(t, fake.Options{}), newCloud(t, fake.Options{})
	stream := shaped().with("stream", true)
	set(t, one, fake.Fault{Kind: fake.Misshapen})

	h := newHouse(t, noLocal, clouds(one, two))
	r := h.ask(stream)
	if r.target() != "cloud/first" || !r.done {
		t.Errorf("got %v, want the stream of the first", r)
	}
	fit(t, h.outcome(t, r), false)

	h = unstarted(t, noLocal, clouds(one, two), "policy: policy.yaml")
	h.write("policy.yaml", strings.Replace(quick(t), "cloud: first_token", "cloud: after_check", 1))
	h.start()
	r = h.ask(stream)
	if r.target() != "cloud/second" || !r.done || !strings.HasPrefix(r.text, `{"author":`) {
		t.Errorf("after_check: got %v, want the stream of the second", r)
	}
	fit(t, h.outcome(t, r), true)
}

// TestFormatRefused looks at schemas no answer is asked for with.
func TestFormatRefused(t *testing.T) {
	t.Parallel()
	one := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(one))
	for schema, want := range map[string]string{
		`{"type":"text"}`:                     `at '/type'`,
		`[]`:                                  "must be an object",
		`{"$ref":"http://example.invalid/s"}`: "nothing is fetched",
		`{"pattern":"("}`:                     "/pattern",
		`{"a":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`: "nested deeper",
	} {
		body := `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` + schema + `}}}`
		for _, path := range []string{chatPath, "/v1/explain"} {
			r := h.post(path, body)
			if r.status != http.StatusBadRequest || !strings.Contains(r.body, want) || !strings.Contains(r.body, `"param":"response_format.json_schema.schema"`) {
				t.Errorf("%s %.60s: got %d %s, want a 400 with %s", path, schema, r.status, r.body, want)
			}
		}
	}
	if n := one.State().Calls[chatPath]; n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
