package sense

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Link is what the kernel says of the device's network links, the loopback
// left out. What is not known is neither up nor down.
type Link struct {
	Known    bool
	Up       bool           // some link has a carrier and an address that reaches beyond it
	Prefixes []netip.Prefix // networks that are directly on a link that is up
}

// ReadLink reads the links as they are now.
func ReadLink() Link {
	all, err := net.Interfaces()
	if err != nil {
		return Link{}
	}
	l := Link{Known: true}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagRunning != 0 {
			l.add(i)
		}
	}
	return l
}

func (l *Link) add(i net.Interface) {
	addrs, err := i.Addrs()
	if err != nil {
		return
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().IsGlobalUnicast() {
			continue
		}
		l.Up = true
		l.Prefixes = append(l.Prefixes, p.Masked())
	}
}

// WatchLink calls told with the links as they are, and again at every change,
// until ctx ends. Where the kernel gives no events it calls told once and
// returns the reason.
func WatchLink(ctx context.Context, told func(Link)) error {
	events, err := openEvents()
	told(ReadLink())
	if err != nil {
		return fmt.Errorf("watch links: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { events.Close() })
	defer stop()
	defer events.Close()
	buf := make([]byte, 16<<10)
	for {
		_, err := events.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, unix.ENOBUFS) { // events were lost: look anyway
			return fmt.Errorf("watch links: %w", err)
		}
		told(ReadLink())
	}
}

// openEvents subscribes to changes of links and addresses (netlink(7)).
func openEvents() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}
