package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nearside/build/port"
)

// guide is the shell of docs/FLEET.md: its blocks that are marked to be run.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/FLEET.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range regexp.MustCompile("(?s)```sh run\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block[1])
	}
	if len(all) < 10 {
		t.Fatalf("docs/FLEET.md has %d blocks to run", len(all))
	}
	return strings.Join(all, "\n")
}

// TestFleetGuide: every command of the operator's guide does what it says, in
// the order of the page, against a real Mosquitto with the shipped rules. Only
// the ports are others.
func TestFleetGuide(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build, err := filepath.Abs("../../build")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"build": build, "bin/nearside": self} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var ports [2]string
	for i := range ports {
		n, err := port.Free()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = strconv.Itoa(n)
	}
	devices, operators := ports[0], ports[1]
	script := strings.NewReplacer("127.0.0.1:8883", "127.0.0.1:"+devices, "127.0.0.1:8884", "127.0.0.1:"+operators).Replace(guide(t))
	const own = "> mqtt/mosquitto.conf\n"
	if strings.Count(script, own) != 2 {
		t.Fatalf("the guide makes mosquitto.conf in another way; its ports must be set here")
	}
	moved := fmt.Sprintf("sed -i 's/listener 8883/listener %s/;s/listener 8884/listener %s/' mqtt/mosquitto.conf\n", devices, operators)
	script = "set -eux\n" + strings.Replace(script, own, own+moved, 1)
	runGuide(t, dir, bin, script)
}

// runGuide runs the script and ends all that it started.
func runGuide(t *testing.T, dir, bin, script string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "GORACE=atexit_sleep_ms=0")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(8*patience, func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	failed := c.Wait()
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // the broker and the devices
	text, err := os.ReadFile(out.Name())
	t.Logf("%s", text)
	if failed != nil || err != nil {
		t.Fatal(failed, err)
	}
}
