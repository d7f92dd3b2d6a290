package fleet_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nearside/build/port"
	"nearside/cloud/fleet/broker"
	"nearside/cloud/wire"
)

// startMosquitto is a real broker with the limits of build/mqtt/mosquitto.conf.
func startMosquitto(t testing.TB) string {
	t.Helper()
	number, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", number)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	shipped, err := os.ReadFile("../../build/mqtt/mosquitto.conf")
	if err != nil {
		t.Fatal(err)
	}
	limits := regexp.MustCompile(`(?m)^(max_|message_).*$`).FindAllString(string(shipped), -1)
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\n%s\n", number, strings.Join(limits, "\n"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto" // which is not on everybody's path
	}
	c := exec.Command(path, "-c", conf)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatalf("start Mosquitto: %v; install it with: make system", err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	end, look := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return "tcp://" + address
		}
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("Mosquitto does not listen: %v", err)
		}
	}
}

// TestTenThousand: the births and reports of ten thousand devices that a real
// broker retains are all taken in, in little memory, though the broker drops
// what a slow reader leaves waiting.
func TestTenThousand(t *testing.T) {
	url := startMosquitto(t)
	s, err := broker.Dial(t.Context(), broker.Options{URL: url}, func(string, []byte, bool) {})
	if err != nil {
		t.Fatal(err)
	}
	const devices, workers = 10_000, 32
	evidence := "errors 2 of 40 before, 31 of 38 since: more than twice as many, and more than 5 in a hundred"
	report := func(id string) []byte {
		body, err := json.Marshal(wire.Status{
			Device: id, Ring: "all", Agent: "1.4.2", Session: 3, Seq: 9, At: time.Now(), Policy: wire.Applied{Version: 7, Digest: fmt.Sprintf("%064d", 7), State: "rolled_back"},
			Result: &wire.Result{Version: 8, Digest: fmt.Sprintf("%064d", 8), Reason: "harm", Detail: evidence, Evidence: []string{evidence, evidence}},
			Clock:  wire.Clock{State: "trusted"}, Health: []wire.Health{{Name: "disk_full", Severity: "warn"}},
		})
		if err != nil {
			t.Error(err)
		}
		return body
	}
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w; i < devices; i += workers {
				id := fmt.Sprintf("dev-%05d", i)
				for topic, body := range map[string][]byte{"/state": []byte(`{"session":3,"online":true,"ring":"all"}`), "/rep": report(id)} {
					if err := s.Publish(t.Context(), "ns/1/acme/d/"+id+topic, body, true); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	s.Close()
	before := heap()
	began := time.Now()
	f := open(t, url)
	took := time.Since(began)
	grown := heap() - before
	complete := 0
	for _, d := range f.Devices() {
		if d.Birth != nil && d.Status != nil {
			complete++
		}
	}
	t.Logf("%d devices in %s, %d MB", complete, took, grown>>20)
	if complete != devices {
		t.Errorf("%d of %d devices are there, with birth and report", complete, devices)
	}
	if grown > 64<<20 {
		t.Errorf("they take %d MB", grown>>20)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
