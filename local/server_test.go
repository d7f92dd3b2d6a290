package local_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nearside/agent/openai/fault"
	"nearside/local"
)

func TestServerByURL(t *testing.T) {
	var sent map[string]any
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&sent)
		_, _ = io.WriteString(w, `{"id":"c","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`)
	}))
	defer srv.Close()
	o := options(t, "ok")
	o.URL = srv.URL + "/v1"
	l := run(t, o)
	reply, _, err := ask(t, l, question, patience)
	if err != nil || reply.Answer.Text() != "hi" {
		t.Fatalf("got %+v, %v", reply, err)
	}
	if _, there := sent["n_probs"]; there || sent["logprobs"] != true {
		t.Errorf("got %v", sent)
	}
}

func TestDeadServerRests(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	o := options(t, "ok")
	o.URL = srv.URL
	l := run(t, o)
	if s := l.Status()[0]; !s.Usable || s.State != local.Ready {
		t.Errorf("before the first ask: got %+v", s)
	}
	if _, _, err := ask(t, l, question, patience); err == nil {
		t.Fatal("a server that is gone answered")
	}
	want := "nobody answers at " + srv.URL
	if s := l.Status()[0]; s.Usable || s.Why != want {
		t.Errorf("got %+v, want %q", s, want)
	}
	if _, _, err := ask(t, l, question, patience); !errors.Is(err, fault.ErrDown) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
