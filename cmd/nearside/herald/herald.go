package daemon

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

// herald tells a service manager how the daemon is, see sd_notify(3). The zero
// value tells nobody.
type herald struct {
	socket   string        // "" when nobody wants to know
	watchdog time.Duration // within which a sign of life is due; 0 when none is
	log      *slog.Logger
}

// newHerald reads what the service manager put into the environment.
func newHerald(getenv func(string) string, log *slog.Logger) herald {
	h := herald{socket: getenv("NOTIFY_SOCKET"), log: log}
	whose := getenv("WATCHDOG_PID")
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && us > 0 && (whose == "" || whose == strconv.Itoa(os.Getpid())) {
		h.watchdog = time.Duration(us) * time.Microsecond
	}
	return h
}

// say sends the lines as one message. A manager that does not hear it costs a
// line in the log.
func (h herald) say(lines ...string) {
	if h.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: h.socket, Net: "unixgram"}) // "@" is abstract there, too
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		conn.Close()
	}
	if err != nil {
		h.log.Warn("the service manager was not told", "what", lines[0], "err", err)
	}
}

func (h herald) ready()    { h.say("READY=1", "MAINPID="+strconv.Itoa(os.Getpid())) }
func (h herald) stopping() { h.say("STOPPING=1") }

// reloading opens a reload; ready closes it.
func (h herald) reloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for no clock of this name
	h.say("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
}

// pulse gives a sign of life twice within the time one is due, as long as
// alive returns, until ctx ends.
func (h herald) pulse(ctx context.Context, alive func()) error {
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
