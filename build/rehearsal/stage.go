package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"nearside/build/port"
)

const (
	tenant   = "acme" // that of the access lists
	channel  = "stable"
	password = "rehearsal"
	prefix   = "sim"
)

var rings = []struct {
	name string
	pct  int
}{{"canary", 2}, {"early", 18}, {"all", 80}}

// stage is what a rehearsal stands on: a folder with keys, certificates and
// logins, and a broker.
type stage struct {
	plan
	folder    string
	devices   int // port of the devices' door
	operators int
	standard  string // the text of the built-in policy
	broker    *exec.Cmd
	pid       atomic.Int64  // of the broker
	ended     chan struct{} // closed when the broker has
}

// build makes the folder and all that is in it; close removes it.
func build(ctx context.Context, p plan) (*stage, error) {
	folder, err := os.MkdirTemp("", "nearside-rehearsal-")
	if err != nil {
		return nil, err
	}
	s := &stage{plan: p, folder: folder}
	for _, make := range []func(context.Context) error{s.certificates, s.logins, s.settings, s.keys} {
		if err := make(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *stage) file(name string) string { return filepath.Join(s.folder, name) }

func (s *stage) certificates(ctx context.Context) error {
	_, err := output(ctx, "sh", "build/mqtt/trial-ca.sh", s.folder, "127.0.0.1")
	return err
}

// logins gives every device and the operator a password, the same for all.
func (s *stage) logins(ctx context.Context) error {
	var devices bytes.Buffer
	for n := range s.plan.devices {
		fmt.Fprintf(&devices, "%s-%05d:%s\n", prefix, n+1, password)
	}
	for name, text := range map[string]string{"devices.passwords": devices.String(), "operators.passwords": "operator:" + password + "\n"} {
		if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
			return err
		}
		if _, err := output(ctx, "mosquitto_passwd", "-U", s.file(name)); err != nil {
			return err
		}
	}
	return os.WriteFile(s.file("password"), []byte(password), 0o600)
}

// settings are those that are shipped, with this folder and free ports.
func (s *stage) settings(context.Context) error {
	for _, name := range []string{"devices.acl", "operators.acl"} {
		text, err := os.ReadFile("build/mqtt/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.file(name), text, 0o600); err != nil {
			return err
		}
	}
	text, err := os.ReadFile("build/mqtt/mosquitto-passwords.conf")
	if err != nil {
		return err
	}
	if s.devices, err = port.Free(); err != nil {
		return err
	}
	if s.operators, err = port.Free(); err != nil {
		return err
	}
	conf := strings.ReplaceAll(string(text), "/etc/mosquitto/nearside", s.folder)
	conf = strings.ReplaceAll(conf, "listener 8883", fmt.Sprintf("listener %d 127.0.0.1", s.devices))
	conf = strings.ReplaceAll(conf, "listener 8884", fmt.Sprintf("listener %d 127.0.0.1", s.operators))
	conf += fmt.Sprintf("\nuser %s\npersistence true\npersistence_location %s/\nautosave_interval 1\nautosave_on_changes true\nlog_dest file %s\n", me(), s.folder, s.file("broker.log"))
	return os.WriteFile(s.file("mosquitto.conf"), []byte(conf), 0o600)
}

// me is the user that the broker runs as: whoever runs the rehearsal.
func me() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

func (s *stage) keys(ctx context.Context) error {
	_, err := output(ctx, s.program, "fleet", "keygen", "--out", s.file("a.key"))
	if err == nil {
		s.standard, err = output(ctx, s.program, "policy", "show", "--default")
	}
	if err == nil {
		_, err = output(ctx, s.program, "fleet", "keygen", "--out", s.file("b.key"))
	}
	if err == nil {
		_, err = output(ctx, s.program, "fleet", "root", "--key", s.file("a.key.pub"), "--key", s.file("b.key.pub"), "--threshold", "2", "--version", "1", "--out", s.file("root.json"))
	}
	return err
}

// sign makes the envelope of a policy and returns its file.
func (s *stage) sign(ctx context.Context, version int, body string) (string, error) {
	policy, out := s.file(fmt.Sprintf("policy-%d.yaml", version)), s.file(fmt.Sprintf("policy-%d.dsse", version))
	if err := os.WriteFile(policy, []byte(body), 0o600); err != nil {
		return "", err
	}
	_, err := output(ctx, s.program, "fleet", "sign", "--key", s.file("a.key"), "--key", s.file("b.key"), "--tenant", tenant, "--channel", channel,
		"--version", strconv.Itoa(version), "--out", out, policy)
	return out, err
}

// open starts the broker and waits until it answers.
func (s *stage) open(ctx context.Context) error {
	s.broker, s.ended = exec.Command(mosquitto(), "-c", s.file("mosquitto.conf")), make(chan struct{})
	if err := s.broker.Start(); err != nil {
		return fmt.Errorf("start mosquitto (Debian's package mosquitto): %w", err)
	}
	s.pid.Store(int64(s.broker.Process.Pid))
	go func(c *exec.Cmd, ended chan struct{}) {
		_ = c.Wait() // it is killed in the end
		close(ended)
	}(s.broker, s.ended)
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.operators))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			text, _ := os.ReadFile(s.file("broker.log")) // for the error only
			return fmt.Errorf("mosquitto ended: %s", text)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return ctx.Err()
}

// mosquitto is where Debian has it when it is not on the path.
func mosquitto() string {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path
	}
	return "/usr/sbin/mosquitto"
}

// shut kills the broker, as a power cut would.
func (s *stage) shut() {
	if s.broker != nil {
		_ = s.broker.Process.Kill() // it may be dead already
		<-s.ended
	}
}

func (s *stage) close() error {
	s.shut()
	return os.RemoveAll(s.folder)
}

// brokerMB is the resident memory of the broker.
func (s *stage) brokerMB() float64 { return residentMB(int(s.pid.Load())) }

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func residentMB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // of a process that ended there is none
	if m := resident.FindSubmatch(text); m != nil {
		kb, _ := strconv.Atoi(string(m[1]))
		return float64(kb) / 1024
	}
	return 0
}

// operator is a command line of nearside fleet at the operators' door.
func (s *stage) operator(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"fleet"}, args...)
	args = append(args, "--broker", fmt.Sprintf("tls://127.0.0.1:%d", s.operators), "--ca", s.file("ca.crt"), "--user", "operator",
		"--password-file", s.file("password"), "--tenant", tenant, "--root", s.file("root.json"))
	return exec.CommandContext(ctx, s.program, args...)
}

// output runs a command; what it said is in the error.
func output(ctx context.Context, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	text, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return string(text), nil
}
