package helm

import (
	"cmp"
	"fmt"
	"time"

	"nearside/agent"
	"nearside/agent/server/status"
	"nearside/agent/server/steering"
	"nearside/cloud/steer/news"
	"nearside/policy/seal"
	"nearside/policy/trial"
)

// Standing is what is in force, which is p, and how it came to be. Held are the
// rules with an until that are.
func (h *Helm) Standing(p *agent.Policy, held []string) steering.Standing {
	s := steering.Standing{
		Version: int64(p.Doc.Version), Digest: p.Digest, Source: p.Source, State: "factory", Signers: []string{},
		Floors: map[string]steering.Floor{}, Held: held, Kinds: []steering.Kind{},
	}
	w := h.watch.Load()
	if w == nil {
		return s
	}
	st := w.steer.Status()
	s.State, s.Epoch, s.RootVersion, s.Expired, s.Remote = st.State, st.Epoch, st.RootVersion, st.Expired, w.who()
	if st.Signers != nil {
		s.Signers = st.Signers
	}
	for name, f := range st.Floors {
		if kind, ours := kindOf(name, w.by.Tenant, w.by.Channel); ours {
			s.Floors[kind] = steering.Floor{Epoch: f.Epoch, Version: f.Version, Digest: f.Digest}
		}
	}
	for _, k := range st.Kinds {
		s.Kinds = append(s.Kinds, steering.Kind{Kind: k.Kind, Version: k.Version, Digest: k.Digest})
	}
	s.Candidate, s.RolledBack, s.LastRefusal, s.Clock = candidate(&st), rolledBack(st.RolledBack), lastRefusal(st.LastRefusal), clock(&st)
	return s
}

// kindOf is the kind that a floor of this tenant and channel is of.
func kindOf(floor, tenant, channel string) (kind string, ours bool) {
	for _, kind := range seal.Kinds() {
		if floor == seal.FloorKey(tenant, channel, kind) {
			return kind, true
		}
	}
	return "", false
}

func (w *watch) who() *steering.Remote {
	r := w.by
	return &steering.Remote{Tenant: r.Tenant, Channel: r.Channel, Device: r.Device, Ring: r.Ring, Labels: r.Labels}
}

func candidate(st *news.Status) *steering.Candidate {
	if t := st.Trial; t != nil {
		return &steering.Candidate{Version: t.Version, Digest: t.Digest, Step: t.Step, Since: t.Since, Asks: int(t.Asks), Boots: t.Boots, Evidence: st.Evidence}
	}
	if st.Candidate != "" {
		return &steering.Candidate{Digest: st.Candidate, Step: "validated"}
	}
	return nil
}

func rolledBack(b *trial.Bad) *steering.RolledBack {
	if b == nil {
		return nil
	}
	evidence := b.Evidence
	if evidence == nil {
		evidence = []string{}
	}
	return &steering.RolledBack{Version: b.Version, Digest: b.Digest, Why: b.Why, Evidence: evidence, At: b.At}
}

func lastRefusal(r *trial.Refused) *steering.Refused {
	if r == nil {
		return nil
	}
	return &steering.Refused{Reason: r.Reason, Detail: r.Detail, Digest: r.Digest, From: r.From, At: r.At}
}

func clock(st *news.Status) *steering.Clock {
	return &steering.Clock{State: st.Clock.State, Time: st.Clock.Time.UTC()}
}

// Link is how this device stands with those who steer it, for the status; nil
// when nobody is to.
func (h *Helm) Link() *steering.Link {
	w := h.watch.Load()
	if w == nil {
		return h.unsteered()
	}
	st, r := w.steer.Status(), w.by
	l := &steering.Link{
		Tenant: r.Tenant, Channel: r.Channel, Device: r.Device, Ring: r.Ring, RootVersion: st.RootVersion, Clock: clock(&st),
		Taken: st.Counts.Taken, RolledBack: st.Counts.Rolled, Refusals: map[string]int64{},
	}
	for reason, n := range st.Counts.Refused {
		l.Refusals[reason] = n
	}
	if w.link != nil {
		l.MQTT = w.link.stand()
	}
	if w.puller != nil {
		p := w.puller.Status()
		l.Pull = &steering.Pulled{At: when(p.OK), LastError: word(p.Fault)}
	}
	if w.out != nil {
		l.Outbox = w.out.stand()
	}
	l.Outbox.Dropped += w.lost.Load()
	return l
}

// unsteered tells why the device is not steered, nil where it is not to be.
func (h *Helm) unsteered() *steering.Link {
	why := h.Fault()
	if why == "" {
		return nil
	}
	return &steering.Link{Fault: &why, Refusals: map[string]int64{}}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// unreachable is how long no broker may be there before it is worth a word:
// restarts of brokers and bad links are every day's.
const unreachable = 10 * time.Minute

// Conditions are what an operator should know of how the device is steered.
// Offline says that there is no network, which is said of the whole device.
func (h *Helm) Conditions(offline bool) []status.Condition {
	w := h.watch.Load()
	if w == nil {
		return h.unsteeredCondition()
	}
	st, list := w.steer.Status(), []status.Condition{}
	add := func(name, severity, message, hint string) {
		list = append(list, status.Condition{Name: name, Severity: severity, Message: message, Hint: hint})
	}
	if st.State == "rolled_back" && st.RolledBack != nil {
		add("policy_rolled_back", "warn", "the policy that came from outside was taken back: "+st.RolledBack.Why, "see the evidence with: nearside policy show; sign another one with a higher version")
	}
	if st.Expired {
		add("policy_expired", "warn", "the policy in force is past its end; it stays in force", "sign and push one that is good for longer")
	}
	if st.Fault != "" {
		add("policy_unusable", "warn", "the policy that was confirmed cannot be used, and the device's own is in force: "+st.Fault, "sign and push another one, with a higher version")
	}
	if st.Unsaved != "" {
		add("policy_unsaved", "fail", "what is taken from outside cannot be kept, so nothing new is: "+st.Unsaved, "free space in "+h.o.State+", or correct owner and mode of the folder policy in it")
	}
	if why := w.restored.Load(); why != nil {
		add("floor_restored", "warn", "a copy of the record of what was taken from outside was not right: "+*why, "find out who deleted or set back files in "+h.o.State)
	}
	if st.Clock.State != seal.ClockTrusted {
		add("clock_unknown", "warn", "the clock cannot be believed ("+st.Clock.State+"): what has an end is judged by "+st.Clock.Time.UTC().Format(time.DateOnly)+" at the earliest", "set the clock (timedatectl set-ntp true)")
	}
	for _, n := range h.room.Said() {
		hint := map[bool]string{true: "it holds again by itself when they are here: see remote_files", false: "sign one that fits this device, or change its config"}[n.Late]
		add("remote_document", map[bool]string{true: "warn", false: "info"}[n.Whole], n.Kind+" from outside: "+n.Text, hint)
	}
	for _, f := range h.room.Missing() {
		add("remote_files", "info", fmt.Sprintf("%s, which a document from outside names, is not here yet: %d of %d bytes; %s", f.Name, f.Have, f.Bytes, cmp.Or(f.Why, "it is being fetched")), "it is tried again by itself")
	}
	if w.blocked != nil {
		add("remote", "warn", "a way by which this device is steered cannot be used: "+*w.blocked, "correct remote in the config, then run: nearside config reload")
	}
	if why := w.away(); why != "" && !offline {
		add("remote_unreachable", "warn", "no broker has been reached for a while: "+why, "it is tried again by itself; nearside doctor looks at each broker")
	}
	return list
}

// away is why there is no connection to a broker, "" when there is one or it has
// not been missing for long.
func (w *watch) away() string {
	if w.link == nil {
		return ""
	}
	s := w.link.stand()
	since := w.started
	if s.Since != nil && s.Since.After(since) {
		since = *s.Since
	}
	if s.Connected || s.LastError == nil || time.Since(since) < unreachable {
		return ""
	}
	return *s.LastError
}

func (h *Helm) unsteeredCondition() []status.Condition {
	why := h.Fault()
	if why == "" {
		return nil
	}
	return []status.Condition{{
		Name: "remote", Severity: "fail", Message: "this device cannot be steered from outside, and its own policy is in force: " + why,
		Hint: "correct remote in its config, then run: nearside config reload",
	}}
}
