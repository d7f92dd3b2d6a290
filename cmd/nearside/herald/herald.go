// Package herald tells a service manager, such as systemd, how the daemon is:
// ready, reloading, stopping, alive. See sd_notify(3).
package herald

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Herald tells a service manager how the daemon is. The zero value tells nobody.
// Its methods may be called from any goroutine.
type Herald struct {
	socket   string        // "" when nobody wants to know
	watchdog time.Duration // within which a sign of life is due; 0 when none is
	log      *slog.Logger
}

// patience is how long a manager that does not listen can hold up the daemon.
const patience = time.Second

// New reads what the service manager put into the environment.
func New(getenv func(string) string, log *slog.Logger) Herald {
	h := Herald{socket: getenv("NOTIFY_SOCKET"), log: log}
	whose := getenv("WATCHDOG_PID")
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && us > 0 && (whose == "" || whose == strconv.Itoa(os.Getpid())) {
		h.watchdog = time.Duration(us) * time.Microsecond
	}
	return h
}

// say sends the lines as one message. A manager that does not hear it costs a
// line in the log.
func (h Herald) say(lines ...string) {
	if h.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: h.socket, Net: "unixgram"}) // "@" is abstract there, too
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		conn.Close()
	}
	if err != nil {
		h.log.Warn("the service manager was not told", "what", lines[0], "err", err)
	}
}

// Ready says that the daemon serves, or that a reload is over.
func (h Herald) Ready() { h.say("READY=1", "MAINPID="+strconv.Itoa(os.Getpid())) }

// Stopping says that it ends.
func (h Herald) Stopping() { h.say("STOPPING=1") }

// Reloading says that a reload begins; Ready follows.
func (h Herald) Reloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for no clock of this name
	h.say("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
}

// Pulse gives a sign of life twice within the time one is due, as long as
// alive returns, until ctx ends.
func (h Herald) Pulse(ctx context.Context, alive func()) error {
	if h.watchdog == 0 {
		return nil
	}
	tick := time.NewTicker(h.watchdog / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			alive()
			h.say("WATCHDOG=1")
		}
	}
}
