package local_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/local"
	"nearside/local/weights"
)

// TestHoldsAModelToItsFirstLoad swaps the file of a model that came without a
// checksum.
func TestHoldsAModelToItsFirstLoad(t *testing.T) {
	o := options(t, "ok")
	if _, _, err := ask(t, run(t, o), question, patience); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Models[0].File, []byte("other weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(t, run(t, o), question, patience); err == nil || !strings.Contains(err.Error(), "its first load says") {
		t.Errorf("got %v", err)
	}
}

// swapWhileStopped answers once, waits until the engine is stopped and puts
// another file in place of the model.
func swapWhileStopped(t *testing.T, l *local.Local, file string) {
	t.Helper()
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Status()[0].State == local.Stopped })
	if err := os.WriteFile(file, []byte("other weights"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChecksAChangedModelAtItsNextStart(t *testing.T) {
	o := options(t, "ok")
	o.Idle = 50 * time.Millisecond
	l := run(t, o)
	swapWhileStopped(t, l, o.Models[0].File)
	if _, _, err := ask(t, l, question, patience); err == nil || !strings.Contains(err.Error(), "its first load says") {
		t.Errorf("got %v", err)
	}
}

// TestLedgerThatComesLate has a model loaded before there is something to hold
// it to: that does not count as checked.
func TestLedgerThatComesLate(t *testing.T) {
	o := options(t, "ok")
	o.Idle = 50 * time.Millisecond
	var there atomic.Bool
	ledger := &facts{kept: map[string]string{"model_sha256/tiny": strings.Repeat("0", 64)}}
	o.Ledger = func() weights.Ledger {
		if !there.Load() {
			return nil
		}
		return ledger
	}
	l := run(t, o)
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.Status()[0].State == local.Stopped })
	there.Store(true)
	if _, _, err := ask(t, l, question, patience); err == nil || !strings.Contains(err.Error(), "its first load says") {
		t.Errorf("got %v", err)
	}
}

// gone tells whether all processes in the file have ended.
func gone(t *testing.T, file string) bool {
	t.Helper()
	pids, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(pids)) {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err == nil && !bytes.Contains(stat, []byte(") Z ")) {
			return false
		}
	}
	return true
}

// TestNothingOfAWrapperIsLeft has a wrapper around the engine that starts
// something which does not end when asked to.
func TestNothingOfAWrapperIsLeft(t *testing.T) {
	for _, c := range []struct{ name, mode string }{{"daemon ends", "ok"}, {"engine crashes", "once"}} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t, c.mode)
			pids := filepath.Join(o.Dir, "pids")
			o.Command = append([]string{"sh", "-c", `(trap "" TERM; exec sleep 300) & echo $! >>"$0"; exec "$@"`, pids}, o.Command...)
			if !t.Run("life", func(t *testing.T) {
				if _, _, err := ask(t, run(t, o), question, patience); err != nil {
					t.Fatal(err)
				}
			}) {
				return
			}
			waitFor(t, func() bool { return gone(t, pids) })
		})
	}
}

func TestHungEngineIsReplaced(t *testing.T) {
	l := run(t, options(t, "ok"))
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	pid := l.Status()[0].PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { // its threads stop one by one
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return bytes.Contains(stat, []byte(") T "))
	})
	if _, _, err := ask(t, l, question, 3*time.Second); !errors.Is(err, fault.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	waitFor(t, func() bool { return strings.Contains(l.Status()[0].Why, "the engine hung") })
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Errorf("the next life: %v", err)
	}
}

// TestSlowEngineIsLeftAlone asks one that never answers, but is well.
func TestSlowEngineIsLeftAlone(t *testing.T) {
	o := options(t, "hang")
	l := run(t, o)
	if _, _, err := ask(t, l, `{"messages":[{"role":"user","content":"Up?"}]}`, patience); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(t, l, question, 4*time.Second); !errors.Is(err, fault.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	waitFor(t, func() bool { // asked for a sign of life after the question
		_, err := os.Stat(o.Models[0].File + ".health")
		return err == nil
	})
	if s := l.Status()[0]; s.State != local.Ready {
		t.Errorf("got %+v", s)
	}
}

func TestEngineWithoutASocketIsReplaced(t *testing.T) {
	o := options(t, "narrow") // which keeps no connection
	l := run(t, o)
	if _, _, err := ask(t, l, question, patience); err != nil {
		t.Fatal(err)
	}
	sockets, _ := filepath.Glob(filepath.Join(o.Dir, "*.sock"))
	if len(sockets) != 1 || os.Remove(sockets[0]) != nil {
		t.Fatalf("got sockets %v", sockets)
	}
	_, tried, err := ask(t, l, question, patience)
	if err != nil || strings.Join(tried, " ") != "crashed ok" {
		t.Errorf("got %v, %v", tried, err)
	}
}

// TestSharesItsFolder runs two daemons in one folder where a third was killed.
func TestSharesItsFolder(t *testing.T) {
	o := options(t, "narrow")
	left := filepath.Join(o.Dir, "engine-left.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: left})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	old.Close()
	one, other := run(t, o), run(t, o)
	for range 2 {
		for _, l := range []*local.Local{one, other} {
			if _, tried, err := ask(t, l, question, patience); err != nil || len(tried) != 1 {
				t.Errorf("got %v, %v", tried, err)
			}
		}
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the socket of the killed one is still there")
	}
}

// TestManyAsksAtOnce asks an engine that lets few connections wait.
func TestManyAsksAtOnce(t *testing.T) {
	l := run(t, options(t, "narrow"))
	r, err := openai.Decode([]byte(question))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			call := openai.Call{Request: r, Targets: []string{"local/tiny"}, Budget: time.Minute, Tried: func(openai.Attempt) {}}
			if _, err := l.Chat(t.Context(), call); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
