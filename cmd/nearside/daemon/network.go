package daemon

import "nearside/cloud/network"

// cutOff says why no far target can be reached, "" when one might be.
func cutOff(v network.View) string {
	switch v.State {
	case network.Portal:
		return "a portal answers in place of the network"
	case network.Offline:
		return "the network is offline"
	}
	return ""
}

// addNetwork says what keeps far targets away, and what can be done.
func (c *conditions) addNetwork(v network.View) {
	switch v.State {
	case network.Portal:
		c.add("network", "warn", cutOff(v)+": far targets show a foreign certificate, or lead elsewhere",
			"sign in to this network with a browser, or join another; if there is no such page, check the clock and the certificates that the device trusts")
	case network.Offline:
		message, hint := offline(v.Source)
		c.add("network", "warn", message, hint)
	case network.Degraded:
		c.add("network", "info", "far targets answer late, or not every time", "")
	}
}

// offline says how it is known, and what can be done.
func offline(source string) (message, hint string) {
	switch source {
	case network.ByLink:
		return "the network is offline: no link is up", "plug in the cable, or join a network"
	case network.ByHost:
		return "the network is offline: the host app says so", "it holds until its ttl_s is over, or the app pushes another state"
	}
	return "the network is offline: calls reach nobody", "check the route, the resolver and the firewall; it is tried again by itself"
}
