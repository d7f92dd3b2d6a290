// Package network is the state machine of connectivity: what calls, links,
// probes and the host app told goes in with its time, what is known of the way
// out of the device comes out. It has no clock, no lock and no socket.
package network

import "time"

// States of the way out of the device.
const (
	Unknown  = "unknown"  // nothing was heard since the start, or since the links changed
	Online   = "online"   // a far target answered
	Metered  = "metered"  // online, and bytes cost money
	Degraded = "degraded" // far targets answer, but many calls reach nobody or take far longer than usual
	Portal   = "portal"   // something on the way answers in place of the targets
	Offline  = "offline"  // no way out
)

// Sources of a state.
const (
	ByStart = "start"
	ByLink  = "link"  // the kernel's links
	ByCalls = "calls" // real calls
	ByProbe = "probe"
	ByHost  = "host"  // the host app
	ByQuiet = "quiet" // nothing was heard for long
)

// View is what is known at one moment.
type View struct {
	State   string
	Since   time.Time
	Source  string
	Metered *bool // nil is not known
}

// Lost tells whether no far target can be reached.
func (v View) Lost() bool { return lost(v.State) }

func lost(state string) bool { return state == Offline || state == Portal }
