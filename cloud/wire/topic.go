// Package wire is what a fleet says over MQTT, as values: the topics, and the
// forms of what devices tell. It knows no broker and no file. Policies, roots
// and commands are not here: they are signed, and policy/seal reads them.
//
// What is parsed here comes from devices and brokers, so everything is bounded
// and names and words can be printed on a terminal.
package wire

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	// MaxMessage is the most bytes one message may have, of any topic: an
	// envelope of 64 KiB and some slack.
	MaxMessage = 68 << 10
	// MaxName is the most bytes of a tenant, ring, device, kind or rollout.
	MaxName = 64

	root       = "ns/1/" // of all topics: ours, and the version of their shape
	maxVersion = 1<<53 - 1
)

var nameShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// CheckName says what is wrong with the name of a tenant, ring, device, kind or
// rollout; field is what to call it. What passes is one level of a topic.
func CheckName(field, name string) error {
	if nameShape.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%s is %.80q: give 1 to %d letters, digits, dots, dashes or underscores", field, name, MaxName)
}

// What is the meaning of a topic.
type What string

// What a topic may mean. All are retained but Event, Command and Ack.
const (
	Policy  What = "policy"  // to a ring or a device: an envelope of some kind
	Root    What = "root"    // to all of a tenant: a root document
	State   What = "state"   // of a device: birth and will
	Report  What = "report"  // of a device: what it applies
	Event   What = "event"   // of a device
	Command What = "command" // to a device
	Ack     What = "ack"     // of a device: the answer to a command
	Rollout What = "rollout" // of the operator: the record of one
	Order   What = "order"   // of the operator: what to do with it
)

// PolicyKind is the kind of a Topic that carries a routing policy.
const PolicyKind = "policy"

// Topic is one topic, taken apart. What says which of the fields count.
type Topic struct {
	Tenant  string
	What    What
	Ring    string // of Policy; "" when it is for one device
	Device  string
	Kind    string // of Policy: PolicyKind, gate, prices ...
	Version int64  // of Root
	Rollout string // of Rollout and Order
}

var deviceWords = map[What]string{State: "state", Report: "rep", Event: "evt", Command: "cmd", Ack: "ack"}

// String is the topic as the broker knows it. It is a topic only if every name
// in it passes CheckName.
func (t Topic) String() string {
	base := root + t.Tenant
	switch t.What {
	case Policy:
		return base + t.aim() + t.kind()
	case Root:
		return base + "/root/" + strconv.FormatInt(t.Version, 10)
	case Rollout:
		return base + "/rollout/" + t.Rollout
	case Order:
		return base + "/rollout/" + t.Rollout + "/order"
	}
	return base + "/d/" + t.Device + "/" + deviceWords[t.What]
}

func (t Topic) aim() string {
	if t.Device != "" {
		return "/d/" + t.Device + "/pol"
	}
	return "/pol/" + t.Ring
}

func (t Topic) kind() string {
	if t.Kind == "" || t.Kind == PolicyKind {
		return ""
	}
	return "/" + t.Kind
}

// Retained tells whether the newest message of this topic stays with the
// broker.
func (t Topic) Retained() bool {
	return t.What != Event && t.What != Command && t.What != Ack
}

// ParseTopic takes a topic apart; what is none of ours is an error. A topic
// that passes is what String makes of the answer.
func ParseTopic(s string) (Topic, error) {
	rest, ours := strings.CutPrefix(s, root)
	levels := strings.Split(rest, "/")
	if !ours || len(s) > 7*(MaxName+1) || len(levels) < 3 {
		return Topic{}, fmt.Errorf("topic %.80q is none of ours: it should begin with %sTENANT", s, root)
	}
	for _, name := range levels {
		if err := CheckName("a level of the topic", name); err != nil {
			return Topic{}, err
		}
	}
	t, ok := parseLevels(levels[1:])
	if t.Tenant = levels[0]; !ok || t.String() != s {
		return Topic{}, fmt.Errorf("topic %.80q has no meaning", s)
	}
	return t, nil
}

// parseLevels reads what follows the tenant. What it lets through may still
// have another spelling.
func parseLevels(l []string) (t Topic, ok bool) {
	switch {
	case l[0] == "pol" && len(l) <= 3:
		return Topic{What: Policy, Ring: l[1], Kind: kindOf(l[2:])}, true
	case l[0] == "root" && len(l) == 2:
		v, err := strconv.ParseInt(l[1], 10, 64)
		return Topic{What: Root, Version: v}, err == nil && v > 0 && v <= maxVersion
	case l[0] == "rollout" && len(l) == 2:
		return Topic{What: Rollout, Rollout: l[1]}, true
	case l[0] == "rollout" && len(l) == 3:
		return Topic{What: Order, Rollout: l[1]}, true
	case l[0] == "d" && len(l) >= 3:
		return parseDevice(l[1], l[2:])
	}
	return Topic{}, false
}

func parseDevice(device string, l []string) (t Topic, ok bool) {
	if l[0] == "pol" && len(l) <= 2 {
		return Topic{What: Policy, Device: device, Kind: kindOf(l[1:])}, true
	}
	for what, word := range deviceWords {
		if l[0] == word && len(l) == 1 {
			return Topic{What: what, Device: device}, true
		}
	}
	return Topic{}, false
}

func kindOf(l []string) string {
	if len(l) == 0 {
		return PolicyKind
	}
	return l[0]
}

// DeviceFilters are what a device subscribes to: the envelopes of its ring and
// its own, the roots, its commands. Without a ring it has only its own. There
// is no # in it, since not every broker counts the level above as part of it.
func DeviceFilters(tenant, ring, device string) []string {
	base := root + tenant
	own, ours := base+"/d/"+device, base+"/pol/"+ring
	filters := []string{base + "/root/+", own + "/pol", own + "/pol/+", own + "/cmd"}
	if ring == "" {
		return filters
	}
	return append(filters, ours, ours+"/+")
}

// TellFilters are what an operator subscribes to in order to hear all devices of
// a tenant.
func TellFilters(tenant string) []string {
	base := root + tenant + "/d/+/"
	return []string{base + "state", base + "rep", base + "evt", base + "ack"}
}

// PublishedFilters are what an operator subscribes to in order to see what is
// published to the rings and devices of a tenant, and its roots.
func PublishedFilters(tenant string) []string {
	base := root + tenant
	return []string{base + "/pol/#", base + "/d/+/pol/#", base + "/root/+"}
}

// RolloutFilters are what an operator subscribes to in order to take up a
// rollout that another began: the records and the orders of a tenant.
func RolloutFilters(tenant string) []string {
	return []string{root + tenant + "/rollout/+", root + tenant + "/rollout/+/order"}
}
