package steer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/steer"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

func TestCommands(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		done := 0
		commands := func(opt *steer.Options) {
			opt.Commands = map[string]steer.Obey{
				"status": answer(`{"ok":1}`), "words": answer(`no JSON`), "large": answer(`"` + strings.Repeat("x", 10_000) + `"`),
				"drain":    func(context.Context, map[string]string) (json.RawMessage, error) { done++; return nil, nil },
				"diagnose": func(context.Context, map[string]string) (json.RawMessage, error) { return nil, errors.New("no disk") },
				"refresh":  func(context.Context, map[string]string) (json.RawMessage, error) { panic("at the disco") },
				"slow": func(ctx context.Context, _ map[string]string) (json.RawMessage, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				},
			}
		}
		l := live(t, o, k, commands)
		f := func(id, do, want string) {
			t.Helper()
			for _, again := range []bool{false, true} {
				a, err := l.Command(t.Context(), o.command(t, 0, id, do))
				if got := fmt.Sprintf("%v %.60s %s", a.OK, a.Result, seal.Reason(err)); got != want || err == nil && a.Again != again {
					t.Errorf("%s, again %v: %s (again %v), want %s", do, again, got, a.Again, want)
				}
			}
		}
		f("c1", "status", `true {"ok":1} `)
		f("c2", "drain", `true  `)
		f("c3", "diagnose", `false {"error":"no disk"} `)
		f("c4", "refresh", `false {"error":"it panicked: at the disco"} `)
		f("c5", "words", `false {"error":"its answer is no JSON"} `)
		f("c6", "slow", `false {"error":"context deadline exceeded"} `)
		f("c7", "rollback", `false {"error":"nothing_to_roll_back"} `)
		f("c8", "explode", fmt.Sprintf("false %.60s ", `{"error":"unknown_command: \"explode\"; known are diagnose, drain, refresh`))
		if a, err := l.Command(t.Context(), o.command(t, 0, "c9", "large")); err != nil || len(a.Result) < 10_000 {
			t.Errorf("a large answer: %d bytes, %v", len(a.Result), err)
		}
		l.end(t)
		l = live(t, o, k, commands) // another process gives the same answers
		defer l.end(t)
		for id, want := range map[string]string{"c1": `true {"ok":1} true`, "c2": "true  true", "c3": `false {"error":"no disk"} true`, "c9": "true  true"} {
			a, err := l.Command(t.Context(), o.command(t, 0, id, "drain"))
			if got := fmt.Sprintf("%v %s %v", a.OK, a.Result, a.Again); got != want || err != nil {
				t.Errorf("%s: %s, %v, want %s", id, got, err, want)
			}
		}
		if done != 1 {
			t.Errorf("drained %d times", done)
		}
		late := o.command(t, 0, "c10", "drain")
		time.Sleep(40 * 24 * time.Hour)
		if _, err := l.Command(t.Context(), late); seal.Reason(err) != seal.Expired {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestCommandRollback(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		l := live(t, o, k)
		order := func(id, want string) {
			t.Helper()
			if a, err := l.Command(t.Context(), o.command(t, 0, id, steer.Rollback)); err != nil || string(a.Result) != want {
				t.Errorf("%s: %s, %v, want %s", id, a.Result, err, want)
			}
		}
		time.Sleep(time.Minute)
		for v, body := range []string{"", "one", "two"} {
			if v > 0 {
				l.takes(t, o.policy(t, 0, int64(v), body))
				time.Sleep(time.Minute)
			}
		}
		l.takes(t, o.policy(t, 0, 3, "three"))
		order("r1", `{"from":3,"to":2}`) // on trial
		l.is(t, "rolled_back", "two", 2)
		order("r2", `{"from":2,"to":1}`)
		l.is(t, "rolled_back", "one", 1)
		order("r2", `{"from":2,"to":1}`) // delivered twice
		l.is(t, "rolled_back", "one", 1)
		l.refuses(t, o.policy(t, 0, 3, "three"), trial.RolledBackBefore)
		l.end(t)
		l = live(t, o, k)
		defer l.end(t)
		l.is(t, "rolled_back", "one", 1)
		order("r1", `{"from":3,"to":2}`)
		l.is(t, "rolled_back", "one", 1)
		order("r3", `{"from":1,"to":0}`)
		l.is(t, "rolled_back", "", 0)
	})
}

// TestInterrupted: a command that was begun when the process died is not
// obeyed again.
func TestInterrupted(t *testing.T) {
	o := newOffice(t, 2)
	synctest.Test(t, func(t *testing.T) {
		k := &disk{}
		k.on(func(n int, _ []byte) error { // all saves after the command was begun are lost
			if n > 1 {
				return errCut
			}
			return nil
		})
		done := 0
		commands := func(opt *steer.Options) {
			opt.Commands = map[string]steer.Obey{"drain": func(context.Context, map[string]string) (json.RawMessage, error) { done++; return nil, nil }}
		}
		l := live(t, o, k, commands)
		if _, err := l.Command(t.Context(), o.command(t, 0, "c1", "drain")); err != nil {
			t.Fatal(err)
		}
		l.end(t)
		k.on(nil)
		l = live(t, o, k, commands)
		defer l.end(t)
		a, err := l.Command(t.Context(), o.command(t, 0, "c1", "drain"))
		if err != nil || a.OK || !strings.Contains(string(a.Result), "interrupted") || done != 1 {
			t.Errorf("%+v %s, %v; done %d times", a, a.Result, err, done)
		}
	})
}
