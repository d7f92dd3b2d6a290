package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"nearside/agent/config"
	"nearside/local/sense"
)

// nameLimit is how long a name may take to be looked up.
const nameLimit = 5 * time.Second

// checkLink tells whether any way leads out of the device.
func checkLink(_ context.Context, p *Patient) []Finding {
	switch {
	case len(p.Config.Cloud.Targets) == 0:
		return []Finding{ok("there are no cloud targets; it is not needed")}
	case p.Config.Cloud.Disabled:
		return []Finding{ok("the cloud is switched off (cloud.disabled); it is not needed for answers")}
	}
	return []Finding{link(sense.ReadLink())}
}

func link(l sense.Link) Finding {
	switch {
	case !l.Known:
		return warn("the links of this device cannot be read", "look with: ip address")
	case !l.Up:
		return warn("no link is up: only what is on this device can answer", "connect a network, when the cloud is wanted")
	}
	return ok("a link is up")
}

// silent says why nothing may be asked beyond this device, "" when it may; near
// is on this device, where a link is not needed.
func (p *Patient) silent(near bool) string {
	if p.Offline {
		return "--offline"
	}
	if p.Config.Cloud.Disabled {
		return "the cloud is switched off (cloud.disabled)"
	}
	if l := sense.ReadLink(); !near && l.Known && !l.Up {
		return "no link is up"
	}
	return ""
}

// checkNames looks up the names of the cloud targets.
func checkNames(ctx context.Context, p *Patient) []Finding {
	var all []Finding
	for _, host := range farHosts(p.Config.Cloud.Targets) {
		if why := p.silent(false); why != "" {
			all = append(all, ok(host+" is not looked up: "+why))
			continue
		}
		inTime, cancel := context.WithTimeout(ctx, nameLimit)
		_, err := net.DefaultResolver.LookupNetIP(inTime, "ip", host)
		cancel()
		all = append(all, name(host, err))
	}
	return all
}

// farHosts are the hosts of the targets that are names to look up.
func farHosts(targets []config.Target) []string {
	var hosts []string
	for _, t := range targets {
		host, ip := hostOf(t)
		if !ip.IsValid() && host != "localhost" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// hostOf is the host of a target, and its address where it is one.
func hostOf(t config.Target) (string, netip.Addr) {
	u, err := url.Parse(t.BaseURL)
	if err != nil {
		return "", netip.Addr{} // a valid config has none
	}
	host := strings.ToLower(u.Hostname())
	ip, _ := netip.ParseAddr(host)
	return host, ip
}

// name judges the end of a look-up.
func name(host string, err error) Finding {
	var dns *net.DNSError
	switch {
	case err == nil:
		return ok(host + " has an address")
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail("there is no host "+host, "correct base_url, or ask who runs the name server for it")
	}
	return fail("no name server answers for "+host+asked(dns), "look at /etc/resolv.conf and at the network; a firewall may hold back port 53")
}

func asked(e *net.DNSError) string {
	if e == nil || e.Server == "" {
		return ""
	}
	return " (" + e.Server + " was asked)"
}
