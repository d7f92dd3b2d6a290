package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/local"
	"nearside/local/weights"
)

// facts is a ledger in memory.
type facts struct {
	mu   sync.Mutex // guards kept
	kept map[string]string
}

func (f *facts) Fact(_ context.Context, name string) (string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.kept[name]
	return v, ok, nil
}

func (f *facts) SetFact(_ context.Context, name, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[name] = value
	return nil
}

// options are those of one model served by a fake engine in the mode.
func options(t *testing.T, mode string) local.Options {
	t.Helper()
	dir, err := os.MkdirTemp("", "ns") // short: socket paths are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "tiny.gguf")
	if err := os.WriteFile(file, []byte("weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ledger := &facts{kept: map[string]string{}}
	return local.Options{
		Command: []string{exe, "fake-engine", mode}, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Models: []local.Model{{Name: "tiny", File: file, Services: []string{"chat"}, System: "Be brief.", Sampling: map[string]float64{"temperature": 0, "top_p": 0.5}}},
		Ledger: func() weights.Ledger { return ledger },
	}
}

// run runs the models until the test ends and checks that no child is left.
func run(t *testing.T, o local.Options) *local.Local {
	t.Helper()
	l := local.New(o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	t.Cleanup(func() {
		pid := l.Status()[0].PID
		stop()
		<-done
		if pid != 0 && syscall.Kill(pid, 0) == nil {
			t.Errorf("the engine %d outlived its owner", pid)
		}
	})
	return l
}

// patience is how long a test waits for what should come soon, on a machine that
// has other things to do.
const patience = time.Minute

const question = `{"messages":[{"role":"developer","content":"x"},{"role":"user","content":"Really?"}],"top_p":0.9}`

// ask asks once and returns the answer and the results of the attempts.
func ask(t *testing.T, l *local.Local, body string, budget time.Duration) (*openai.Reply, []string, error) {
	t.Helper()
	r, err := openai.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var tried []string
	reply, err := l.Chat(t.Context(), openai.Call{
		Request: r, Targets: []string{"local/tiny"}, Hold: 1, Budget: budget,
		Tried: func(a openai.Attempt) { tried = append(tried, a.Result) },
	})
	if err == nil {
		t.Cleanup(reply.Close)
	}
	return reply, tried, err
}

func TestAnswers(t *testing.T) {
	l := run(t, options(t, "ok"))
	reply, tried, err := ask(t, l, question, patience)
	if err != nil || strings.Join(tried, " ") != "ok" || len(reply.Answer.Tokens) != 1 {
		t.Fatalf("got %+v, %v, %v", reply, tried, err)
	}
	if s := string(reply.Body); strings.Contains(s, "logprobs") || strings.Contains(s, "timings") {
		t.Errorf("the caller sees what was not asked for: %s", s)
	}
	streamed := strings.Replace(question, "{", `{"stream":true,"logprobs":true,`, 1)
	reply, _, err = ask(t, l, streamed, patience)
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := reply.Stream.Next()
	if err != nil || !strings.Contains(string(chunk), "logprobs") {
		t.Errorf("log-probabilities were asked for: %s, %v", chunk, err)
	}
	if s := l.Status()[0]; s.State != local.Ready || s.Calls != 2 || s.PID == 0 {
		t.Errorf("got status %+v", s)
	}
}

func TestCrashIsAskedOnceMore(t *testing.T) {
	l := run(t, options(t, "once"))
	_, tried, err := ask(t, l, question, patience)
	if err != nil || strings.Join(tried, " ") != "crashed ok" {
		t.Errorf("got %v, %v", tried, err)
	}
}

func TestCrashesEndInQuarantine(t *testing.T) {
	l := run(t, options(t, "crash"))
	for range 5 {
		if _, _, err := ask(t, l, question, patience); err == nil {
			t.Fatal("an engine that dies answered")
		}
		if l.Status()[0].State == local.Quarantined {
			break
		}
		waitFor(t, func() bool { return l.Status()[0].State != local.Starting && l.Status()[0].State != local.Ready })
		if s := l.Status()[0]; s.State == local.Backoff && !strings.Contains(s.Why, "pauses for 1s after crash 2: the engine ended") {
			t.Errorf("while it pauses the status says %q", s.Why)
		}
	}
	s := l.Status()[0]
	if s.State != local.Quarantined || s.Usable || !strings.Contains(s.Why, "3 crashes") {
		t.Fatalf("got %+v", s)
	}
	start := time.Now()
	if _, _, err := ask(t, l, question, patience); !errors.Is(err, fault.ErrDown) || time.Since(start) > patience/2 {
		t.Errorf("got %v after %v, want to be turned away at once", err, time.Since(start))
	}
}

// waitFor polls until the condition holds.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it did not happen in time")
		}
	}
}

func TestCannotStart(t *testing.T) {
	sum := sha256.Sum256([]byte("weights"))
	for _, c := range []struct {
		name   string
		mode   string
		change func(*local.Options)
		want   string
	}{
		{"no engine", "ok", func(o *local.Options) { o.Command = nil }, "run make setup"},
		{"engine not there", "ok", func(o *local.Options) { o.Command = []string{"/nowhere/llama-server"} }, "cannot be run"},
		{"engine no program", "ok", func(o *local.Options) {
			o.Command = []string{filepath.Join(o.Dir, "text")}
			_ = os.WriteFile(o.Command[0], []byte("text"), 0o700)
		}, "is not a program that this machine can run"},
		{"old engine", "old", func(*local.Options) {}, "build 9999, older than 11393"},
		{"old engine with a release", "older", func(*local.Options) {}, "build 9998, older than 11393"},
		{"no model", "ok", func(o *local.Options) { o.Models[0].File += "x" }, "is not there; run make setup"},
		{"wrong checksum", "ok", func(o *local.Options) { o.Models[0].SHA256 = strings.Repeat("0", 64) }, "the catalogue says 000000000000"},
		{"rotten model", "bad", func(o *local.Options) { o.Models[0].SHA256 = strings.ToUpper(hex.EncodeToString(sum[:])) }, "the model is rotten"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t, c.mode)
			c.change(&o)
			l := run(t, o)
			_, _, err := ask(t, l, question, patience)
			if !errors.Is(err, fault.ErrDown) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if s := l.Status()[0]; !strings.Contains(s.Why, c.want) {
				t.Errorf("the status says %q", s.Why)
			}
		})
	}
}

func TestWaitsWithinTheBudget(t *testing.T) {
	l := run(t, options(t, "slow"))
	start := time.Now()
	_, tried, err := ask(t, l, question, 300*time.Millisecond)
	if !errors.Is(err, fault.ErrTimeout) || strings.Join(tried, " ") != "timeout" || time.Since(start) > patience/2 {
		t.Errorf("got %v, %v after %v", tried, err, time.Since(start))
	}
}

func TestFullQueue(t *testing.T) {
	l := run(t, options(t, "slow"))
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := openai.Decode([]byte(question))
	call := openai.Call{Request: r, Targets: []string{"local/tiny"}, Budget: time.Minute, Tried: func(openai.Attempt) {}}
	for range 32 {
		all.Go(func() {
			for ctx.Err() == nil { // the short one below may be in before the last of these
				_, _ = l.Chat(ctx, call)
			}
		})
	}
	waitFor(t, func() bool { return l.Status()[0].InFlight == 32 })
	waitFor(t, func() bool { // the last may still be on its way in
		short := call
		short.Budget = 50 * time.Millisecond
		_, err := l.Chat(t.Context(), short)
		return errors.Is(err, fault.ErrBusy)
	})
	cancel()
	all.Wait()
}

func TestStopsWhenIdle(t *testing.T) {
	o := options(t, "ok")
	o.Idle = 50 * time.Millisecond
	l := run(t, o)
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	pid := l.Status()[0].PID
	waitFor(t, func() bool { return l.Status()[0].State == local.Stopped })
	if pid != 0 {
		waitFor(t, func() bool { return syscall.Kill(pid, 0) != nil })
	}
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Errorf("it does not start again: %v", err)
	}
}
