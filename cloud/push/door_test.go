package push_test

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// runs starts the broker, and tells whether its doors were free.
func (m *mosquitto) runs(t testing.TB) bool {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto" // Debian has it there, and not every PATH does
	}
	m.cmd = exec.Command(program, "-c", m.conf)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := m.cmd.StderrPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		t.Fatalf("start mosquitto (make system installs it): %v", err)
	}
	said := bufio.NewScanner(log)
	for said.Scan() {
		switch line := said.Text(); {
		case strings.HasSuffix(line, " running"):
			go func() { _, _ = io.Copy(io.Discard, log) }() // until it ends
			return true
		case strings.Contains(line, "Address already in use"):
			m.stop()
			return false
		case strings.Contains(line, "Error"):
			t.Errorf("mosquitto: %s", line)
		}
	}
	t.Fatal("mosquitto ended before it ran")
	return false
}

// move gives the broker other doors.
func (m *mosquitto) move(t testing.TB) {
	t.Helper()
	devices, operators := free(t), free(t)
	write(t, m.conf, strings.NewReplacer(listener(m.devices), listener(devices), listener(m.operators), listener(operators)).Replace(read(t, m.conf)))
	m.devices, m.operators = devices, operators
}

// TestDoorTaken: a broker whose door somebody else took has another.
func TestDoorTaken(t *testing.T) {
	m := newMosquitto(t, "mosquitto.conf", "", "car-7")
	l, err := net.Listen("tcp", m.operators)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m.start(t)
	if m.operators == l.Addr().String() {
		t.Error("it has the door of another")
	}
	m.operator(t)
}
