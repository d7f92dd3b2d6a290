package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/agent/decision"
	"nearside/agent/learn"
	"nearside/agent/learn/label"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/policy"
)

// labels is a learner's shelf and history in memory.
type labels struct {
	mu      sync.Mutex // guards all below
	kept    map[string]label.Label
	records map[string][]byte
	fault   error
}

func (s *labels) Put(_ context.Context, list []label.Label) (replaced int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range list {
		if _, there := s.kept[l.Decision]; there {
			replaced++
		}
		s.kept[l.Decision] = l
	}
	return replaced, s.fault
}

func (s *labels) Labels(context.Context, string, int) ([]label.Label, error) { return nil, s.fault }
func (s *labels) Count(context.Context) (map[string]int64, error)            { return nil, s.fault }

func (s *labels) Decision(_ context.Context, id string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[id]
	return r, ok, s.fault
}

// newLabels knows a decision of each caller's, and one that had no answer.
func newLabels(t testing.TB, own string) *labels {
	t.Helper()
	s := &labels{kept: map[string]label.Label{}, records: map[string][]byte{}}
	sure := 0.5
	for id, r := range map[string]decision.Record{
		"d-own": {Ask: policy.Ask{Caller: own}, Outcome: decision.Outcome{
			Route: "local", Target: "local/small", Status: 200, Confidence: &sure, Judged: &decision.Judged{Target: "local/small", Model: "m1"},
		}},
		"d-robot":  {Ask: policy.Ask{Caller: "robot"}, Outcome: decision.Outcome{Target: "cloud/first", Status: 200, Confidence: &sure}},
		"d-denied": {Ask: policy.Ask{Caller: "robot"}, Outcome: decision.Outcome{Status: 503}},
	} {
		r.ID, r.Time, r.Task = id, time.Now(), "chat"
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		s.records[id] = text
	}
	return s
}

func (s *labels) learner(off bool) *learn.Learner {
	return learn.New(learn.Parts{
		Shelf: func() learn.Shelf { return s }, History: func() learn.History { return s },
	}, learn.Settings{Off: off})
}

func TestFeedback(t *testing.T) {
	book := newLabels(t, "me")
	w := robots(callers.Rate{})
	w.learner = book.learner(false)
	f := w.open(t)
	robot := []string{"Authorization", "Bearer " + robotToken}
	owner := []string{"Authorization", "Bearer " + ownToken}
	for _, c := range []struct {
		name, body string
		head       []string
		status     int
		code       string
		param      string
	}{
		{"its own", `{"decision":"d-robot","verdict":"good"}`, robot, 200, "", ""},
		{"again", `{"decision":"d-robot","verdict":"bad","correct":"Paris"}`, robot, 200, "", ""},
		{"another's", `{"decision":"d-own","verdict":"bad"}`, robot, 404, "decision_not_found", "decision"},
		{"another's, by the owner", `{"decision":"d-own","verdict":"bad"}`, owner, 200, "", ""},
		{"by nobody", `{"decision":"d-own","verdict":"bad"}`, nil, 401, "no_token", ""},
		{"unknown", `{"decision":"d-9","verdict":"bad"}`, owner, 404, "decision_not_found", "decision"},
		{"without an answer", `{"decision":"d-denied","verdict":"bad"}`, robot, 400, "", "decision"},
		{"no verdict", `{"decision":"d-own"}`, owner, 400, "", "verdict"},
		{"another verdict", `{"decision":"d-own","verdict":"fine"}`, owner, 400, "", "verdict"},
		{"a number", `{"decision":7,"verdict":"bad"}`, owner, 400, "", "decision"},
		{"no decision", `{"verdict":"bad"}`, owner, 400, "", "decision"},
		{"a long id", `{"decision":"` + strings.Repeat("d", 65) + `","verdict":"bad"}`, owner, 400, "", "decision"},
		{"nothing right", `{"decision":"d-own","verdict":"bad","correct":""}`, owner, 400, "", "correct"},
		{"much right", `{"decision":"d-own","verdict":"bad","correct":"` + strings.Repeat("x", 65<<10) + `"}`, owner, 400, "", "correct"},
		{"good and corrected", `{"decision":"d-own","verdict":"good","correct":"x"}`, owner, 400, "", "correct"},
		{"another field", `{"decision":"d-own","verdict":"bad","why":"x"}`, owner, 400, "", ""},
		{"two", `{"decision":"d-own","verdict":"bad"}{}`, owner, 400, "", ""},
		{"no JSON", `decision=d-own`, owner, 400, "", ""},
		{"no UTF-8", "{\"decision\":\"d-own\",\"verdict\":\"bad\",\"correct\":\"\xff\"}", owner, 400, "", ""},
		{"too large", `{"correct":"` + strings.Repeat("x", 257<<10) + `"}`, owner, 413, "", ""},
		{"a page", `{"decision":"d-own","verdict":"bad"}`, append(owner, "Origin", "https://example.com"), 403, "origin_refused", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := f.call(f.tcp, http.MethodPost, "/v1/feedback", c.body, c.head...)
			if got.status != c.status || got.fault.Code != c.code || got.fault.Param != c.param {
				t.Errorf("status %d, code %q, param %q: %s", got.status, got.fault.Code, got.fault.Param, got.body)
			}
		})
	}
	if got := book.kept["d-robot"]; got.Good != 0 || got.Target != "cloud/first" || got.Score != nil || got.Source != label.FromFeedback {
		t.Errorf("kept %+v, want a bad one without a score: it was the cloud's answer", got)
	}
	if got := book.kept["d-own"]; got.Good != 0 || got.Score == nil || *got.Score != 0.5 || got.Task != "chat" || got.Model != "m1" {
		t.Errorf("kept %+v, want a bad one with its score", got)
	}
	if got := f.call(f.tcp, http.MethodGet, "/v1/feedback", "", owner...); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: status %d, Allow %q", got.status, got.header.Get("Allow"))
	}
}

// TestFeedbackReplies: what is said of a verdict that is kept, and of one that
// is not.
func TestFeedbackReplies(t *testing.T) {
	const bad = `{"decision":"d-own","verdict":"bad"}`
	for _, c := range []struct {
		name   string
		off    bool
		fault  error
		again  bool
		status int
		want   string
	}{
		{"kept", false, nil, false, 200, `{"decision":"d-own","verdict":"bad","target":"local/small","kept":true,"replaced":false}`},
		{"replaced", false, nil, true, 200, `{"decision":"d-own","verdict":"bad","target":"local/small","kept":true,"replaced":true}`},
		{"off", true, nil, false, 200, `{"decision":"d-own","verdict":"bad","target":"local/small","kept":false,"replaced":false}`},
		{"no disk", false, errors.New("disk full"), false, 503, `"code":"store_error"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := newLabels(t, "")
			book.fault = c.fault
			f := world{learner: book.learner(c.off)}.open(t)
			if c.again {
				f.call(f.unix, http.MethodPost, "/v1/feedback", bad)
			}
			got := f.call(f.unix, http.MethodPost, "/v1/feedback", bad)
			if got.status != c.status || !strings.Contains(got.body, c.want) {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if c.off && len(book.kept) > 0 {
				t.Errorf("kept %v while learning is off", book.kept)
			}
		})
	}
}

// FuzzFeedback: whatever is said of an answer is taken or refused with an error.
func FuzzFeedback(f *testing.F) {
	f.Add(`{"decision":"d-own","verdict":"good"}`)
	f.Add(`{"decision":"d-own","verdict":"bad","correct":"\u0000"}`)
	f.Add(`{"decision":null,"verdict":["bad"]}`)
	f.Add(`[{}]`)
	book := newLabels(f, "tcp")
	w := world{learner: book.learner(false)}
	h := w.server().Handler()
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/feedback", strings.NewReader(body))
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		switch {
		case got.Code == 200:
			var taken learn.Taken
			if err := json.Unmarshal(got.Body.Bytes(), &taken); err != nil || taken.Decision == "" {
				t.Errorf("%q: %s", body, got.Body)
			}
		case got.Code != 400 && got.Code != 404 && got.Code != 413:
			t.Errorf("%q: status %d: %s", body, got.Code, got.Body)
		default:
			var wire struct{ Error fault.Error }
			if err := json.Unmarshal(got.Body.Bytes(), &wire); err != nil || wire.Error.Message == "" {
				t.Errorf("%q: %s", body, got.Body)
			}
		}
	})
}
