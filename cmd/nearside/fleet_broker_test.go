package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nearside/build/port"
)

// scriptBroker starts a Mosquitto on loopback that lets everybody do everything,
// and sets $BROKER to its address.
func scriptBroker(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: broker")
	}
	number, err := port.Free()
	ts.Check(err)
	conf := ts.MkAbs("broker.conf")
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 200\n", number)
	ts.Check(os.WriteFile(conf, []byte(text), 0o600))
	startBroker(ts, conf, number)
	ts.Setenv("BROKER", fmt.Sprintf("tcp://127.0.0.1:%d", number))
}

// startBroker runs Mosquitto until the script ends, and waits until it listens.
func startBroker(ts *testscript.TestScript, conf string, number int) {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto" // which is not on everybody's path
	}
	c := exec.Command(path, "-c", conf)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(conf + ".log")
	ts.Check(err)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		ts.Fatalf("start Mosquitto: %v; install it with: make system", err)
	}
	ts.Defer(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		log.Close()
	})
	end := time.After(patience)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", number))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("Mosquitto does not listen: %v: %s", err, ts.ReadFile(conf+".log"))
		}
	}
}

// scriptEventually runs a command until it ends well and prints what is wanted.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually TEXT COMMAND...")
	}
	end := time.After(2 * patience)
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		select {
		case <-look.C:
		case <-end:
			ts.Fatalf("never: %v\n%s", err, ts.ReadFile("stdout"))
		}
	}
}
