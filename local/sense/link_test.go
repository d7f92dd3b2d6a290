package sense_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nearside/local/sense"
)

// inside tells the test binary that it runs in a network namespace of its own.
const inside = "NEARSIDE_TEST_NAMESPACE"

// TestMain runs everything in a network namespace, where links can be made and
// pulled without touching the machine's.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		goleak.VerifyTestMain(m)
		return
	}
	self := exec.Command(os.Args[0], os.Args[1:]...)
	self.Env = append(os.Environ(), inside+"=1")
	self.Stdout, self.Stderr = os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var exit *exec.ExitError
	if err := self.Run(); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	} else if err != nil {
		panic(err)
	}
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// TestLink follows a link through its life: absent, without an address, up,
// its cable pulled, back again.
func TestLink(t *testing.T) {
	links := make(chan sense.Link, 64)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sense.WatchLink(ctx, func(l sense.Link) { links <- l }) }()
	becomes := func(up bool, onLink int) {
		t.Helper()
		late := time.After(time.Minute)
		for {
			select {
			case l := <-links:
				if l.Known && l.Up == up && len(l.Prefixes) == onLink {
					return
				}
			case <-late:
				t.Fatalf("the link was not seen to be up=%t with %d networks; now %+v", up, onLink, sense.ReadLink())
			}
		}
	}
	becomes(false, 0)
	ip(t, "link set lo up")
	ip(t, "link add v0 type veth peer name v1")
	t.Cleanup(func() { ip(t, "link del v0") }) // or the next run would find it
	ip(t, "addr add 10.9.8.1/24 dev v0")
	ip(t, "link set v0 up")
	ip(t, "link set v1 up")
	becomes(true, 1)
	if p := sense.ReadLink().Prefixes[0].String(); p != "10.9.8.0/24" {
		t.Errorf("got network %s", p)
	}
	ip(t, "link set v1 down") // the other end: carrier is lost, address and route stay
	becomes(false, 0)
	ip(t, "link set v1 up")
	becomes(true, 1)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Interfaces(); err != nil {
		t.Error(err)
	}
}
