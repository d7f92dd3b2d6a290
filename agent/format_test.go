package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// TestForm walks down the road with an answer that must be JSON.
func TestForm(t *testing.T) {
	asJSON := func(in *agent.Input) {
		in.Check = func(answer []byte) error {
			if !json.Valid(answer) {
				return errors.New("no JSON")
			}
			return nil
		}
	}
	refusing := func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		reply, err := says("")(ctx, call)
		reply.Answer.Refused = true
		return reply, err
	}
	for _, c := range []struct {
		name         string
		local, cloud answerer
		body         string
		route        string
		reason       string
		warned       bool
		formed       any // nil is not known
	}{
		{"near and right", says(`{}`), says(`{}`), plain, "local", "local_first", false, true},
		{"near and wrong", says("Goethe"), says(`{}`), plain, "cloud", "local_unsure", false, true},
		{"both wrong", says("Goethe"), says("Goethe"), plain, "cloud", "unverified", true, false},
		{"near wrong, cloud down", says("Goethe"), fails(fault.ErrDown), plain, "local", "unverified", true, false},
		{"unsure but right, cloud wrong", says(`"unsure"`), says("Goethe"), plain, "local", "unverified", false, true},
		{"refused", fails(fault.ErrDown), refusing, plain, "cloud", "local_unavailable", false, true},
		{"streamed and wrong", says("Goethe"), says(`{}`), streamed, "cloud", "local_unsure", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.local, w.cloud = c.local, c.cloud
			if strings.HasPrefix(c.name, "unsure") {
				w.sure = 0.1
			}
			head, err := w.ask(t, c.body, asJSON)
			if err != nil || head.Route != c.route || head.Reason != c.reason || (len(head.Warnings) > 0) != c.warned {
				t.Errorf("got %+v, %v, want %s %s, warned %t", head, err, c.route, c.reason, c.warned)
			}
			o := w.mem.last().Outcome
			if o.Formed == nil || *o.Formed != c.formed {
				t.Errorf("recorded %+v, want schema_valid %v", o, c.formed)
			}
			if kept := len(w.mem.entries) > 0; kept != (c.reason != "unverified") {
				t.Errorf("kept: %t", kept)
			}
		})
	}
}

// TestFormOfPool has the first member answer in the wrong form: those behind it
// are asked, in the same step, and nobody twice.
func TestFormOfPool(t *testing.T) {
	w := newWorld()
	w.signals = func(s *policy.Signals) {
		s.Targets = append(s.Targets, policy.Target{Name: "cloud/next", Services: []string{"chat"}, Usable: true},
			policy.Target{Name: "cloud/last", Services: []string{"chat"}, Usable: true})
	}
	var asked []string
	w.cloud = func(ctx context.Context, call openai.Call) (*openai.Reply, error) {
		asked = append(asked, call.Targets[0])
		return says(map[string]string{"cloud/last": `{}`}[call.Targets[0]]+" ")(ctx, call)
	}
	head, err := w.ask(t, plain, func(in *agent.Input) {
		in.Mode = policy.Cloud
		in.Check = func(answer []byte) error { return json.Unmarshal(answer, new(any)) }
	})
	if err != nil || head.Target != "cloud/last" || len(asked) != 3 || head.Degraded {
		t.Errorf("got %+v, %v after asking %v", head, err, asked)
	}
}
