package local_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
	"nearside/agent/openai/fault"
	"nearside/local"
)

func askEmbed(t *testing.T, l *local.Local, body string) (*openai.Reply, error) {
	t.Helper()
	r, err := embed.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return l.Chat(t.Context(), openai.Call{
		Request: r, Targets: []string{"local/tiny"}, Budget: patience, Tried: func(openai.Attempt) {},
	})
}

// TestEmbed: a model that does nothing but embed is started for it, and gets
// only the fields it may have.
func TestEmbed(t *testing.T) {
	o := options(t, "ok")
	o.Models[0].Services = []string{"embed"}
	l := run(t, o)
	reply, err := askEmbed(t, l, `{"input":"a","model":"auto","encoding_format":"base64","slot_file":"x"}`)
	if err != nil || reply.Answer.Usage.In != 1 || !strings.Contains(string(reply.Body), `"embedding":"AAAAPwAAgD8="`) {
		t.Fatalf("got %+v, %v", reply, err)
	}
	if !slices.Equal(reply.Ignored, []string{"slot_file"}) {
		t.Errorf("ignored %v", reply.Ignored)
	}
	sent, err := os.ReadFile(o.Models[0].File + ".asked")
	if err != nil || strings.Contains(string(sent), "slot_file") || !strings.Contains(string(sent), `"model":"tiny"`) {
		t.Errorf("sent %s, %v", sent, err)
	}
	if _, err := askEmbed(t, l, `{"input":["a","b"]}`); !errors.Is(err, fault.ErrBroken) {
		t.Errorf("one embedding for two inputs: got %v", err)
	}
}
