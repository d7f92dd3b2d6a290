package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nearside/cmd/fakecloud/fake"
)

// TestScript runs the scripts of testdata/script: the command line as people
// and programs meet it. Beside testscript's own commands there are
//
//	exits CODE COMMAND...   run it; it must end with the code
//	has FIELD...            the JSON on standard output has the fields, a.b inside a
//	clouds FILE             two fake clouds, the second always failing, and a config that names them
//	up                      wait until the daemon listens
//	broker                  a Mosquitto for everybody; $BROKER is its address
//	eventually TEXT COMMAND run it until it ends well and prints the text
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "has": scriptHas, "clouds": scriptClouds, "up": scriptUp, "broker": scriptBroker, "eventually": scriptEventually,
		},
	})
}

// setUpScript gives a script this binary as nearside, a short socket path, and
// folders in which nothing is installed.
func setUpScript(env *testscript.Env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(dir) })
	if err := os.Symlink(self, filepath.Join(dir, "nearside")); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	env.Setenv("CACHE", cache)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command takes a second
	env.Setenv("PATH", dir+":"+env.Getenv("PATH"))
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("NEARSIDE_SOCKET", filepath.Join(dir, "s"))
	return nil
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s: %s", code, args[0], ts.ReadFile("stderr"))
	}
}

func scriptHas(ts *testscript.TestScript, neg bool, fields []string) {
	if neg || len(fields) == 0 {
		ts.Fatalf("usage: has FIELD...")
	}
	var top any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &top))
	for _, field := range fields {
		value := top
		for name := range strings.SplitSeq(field, ".") {
			object, _ := value.(map[string]any)
			inner, ok := object[name]
			if !ok {
				ts.Fatalf("no %s in %s", field, ts.ReadFile("stdout"))
			}
			value = inner
		}
	}
}

func scriptClouds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: clouds FILE")
	}
	var servers []*fake.Server
	for _, fault := range []fake.Fault{{Kind: fake.None}, {Kind: fake.Status, Status: 503}} {
		s := fake.New(fake.Options{})
		ts.Defer(s.Close)
		ts.Check(s.Listen("127.0.0.1:0"))
		ts.Check(s.Set(fault))
		servers = append(servers, s)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(clouds(servers...)), 0o600))
}

func scriptUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: up")
	}
	end := time.After(patience)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if ts.Exec("nearside", "status", "--json") == nil && !strings.Contains(ts.ReadFile("stdout"), `"opening"`) {
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("the daemon does not listen, or its store is not open: %s", ts.ReadFile("stderr"))
		}
	}
}
