package sense

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Kinds of network. One that is none of them is not known.
const (
	ethernet = "ethernet"
	wifi     = "wifi"
	cellular = "cellular"
	vpn      = "vpn"
)

// route is one way out.
type route struct {
	link   string
	length int // of the prefix: one for half of all addresses goes before one for all
	metric int64
}

// network senses over what kind of link the way out goes, and from that whether
// bytes are likely to cost money: through a modem they do, of others it is not known.
func (s *Sampler) network(r sample) {
	ways := s.routes()
	if len(ways) == 0 {
		return
	}
	kind := s.kind(ways[0].link)
	if kind == "" {
		return
	}
	r.add(NetworkKind, kind, ways[0].link)
	for _, way := range ways { // below a tunnel is the link that carries it
		if below := s.kind(way.link); below != vpn {
			if below == cellular {
				r.add(Metered, true, "modem "+way.link)
			}
			return
		}
	}
}

// routes are the ways to everywhere, the one taken first.
func (s *Sampler) routes() []route {
	all := routes(s.proc.text("net/route"), parseRoute)
	if len(all) == 0 {
		all = routes(s.proc.text("net/ipv6_route"), parseRoute6)
	}
	slices.SortStableFunc(all, func(x, y route) int {
		return cmp.Or(cmp.Compare(y.length, x.length), cmp.Compare(x.metric, y.metric))
	})
	return all
}

func routes(table string, parse func([]string) (route, bool)) []route {
	var all []route
	for line := range strings.Lines(table) {
		if r, ok := parse(strings.Fields(line)); ok && r.link != "lo" {
			all = append(all, r)
		}
	}
	return all
}

// parseRoute reads "Iface Destination Gateway Flags RefCnt Use Metric Mask ...".
func parseRoute(f []string) (route, bool) {
	if len(f) < 8 || f[1] != "00000000" {
		return route{}, false
	}
	length := slices.Index([]string{"00000000", "00000080"}, f[7])
	flags, err := strconv.ParseInt(f[3], 16, 64)
	metric, wrong := strconv.ParseInt(f[6], 10, 64)
	return route{f[0], length, metric}, length >= 0 && err == nil && wrong == nil && flags&up != 0 && flags&refused == 0
}

// parseRoute6 reads "destination length source length gateway metric count use flags iface".
func parseRoute6(f []string) (route, bool) {
	if len(f) < 10 || strings.Trim(f[0], "0") != "" {
		return route{}, false
	}
	length := slices.Index([]string{"00", "01"}, f[1])
	flags, err := strconv.ParseInt(f[8], 16, 64)
	metric, wrong := strconv.ParseInt(f[5], 16, 64)
	return route{f[9], length, metric}, length >= 0 && err == nil && wrong == nil && flags&up != 0 && flags&refused == 0
}

// Flags of a route, as in linux/route.h.
const up, refused = 0x1, 0x200

// Types of link, as in linux/if_arp.h.
const (
	arpEther = "1"
	arpRawIP = "519"
	arpNone  = "65534"
)

// kind is the kind of a link, "" when it is not known.
func (s *Sampler) kind(link string) string {
	at := s.sys.sub("class/net", link)
	what := at.text("uevent")
	is := func(dev string) bool { return strings.Contains(what+"\n", "DEVTYPE="+dev+"\n") }
	switch arp := at.text("type"); {
	case is("wlan") || at.has("wireless") || at.has("phy80211"):
		return wifi
	case is("wwan") || arp == arpRawIP || strings.HasPrefix(link, "rmnet") || strings.HasPrefix(link, "wwan"):
		return cellular
	case is("wireguard") || at.has("tun_flags") || arp == arpNone:
		return vpn
	case arp == arpEther:
		return ethernet
	}
	return ""
}
