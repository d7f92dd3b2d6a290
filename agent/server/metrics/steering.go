package metrics

import "nearside/agent/server/steering"

// steered tells how the device stands with those who steer it; nothing where
// nobody does.
func (p page) steered(l *steering.Link) {
	if l == nil {
		return
	}
	for reason, n := range l.Refusals {
		p.counter("nearside_policy_refusals_total", "Documents from outside that were not taken.", float64(n), "reason", reason)
	}
	p.counter("nearside_policy_rollbacks_total", "Policies from outside that did harm and were taken back.", float64(l.RolledBack))
	if l.MQTT != nil {
		p.gauge("nearside_remote_connected", "1 while the device is connected to a broker.", truth(l.MQTT.Connected))
		p.counter("nearside_remote_untrusted_total", "Connections given up since a broker did not prove who it is.", float64(l.MQTT.Untrusted))
		p.counter("nearside_remote_messages_dropped_total", "Messages of a broker that were not taken in.", float64(l.MQTT.Dropped))
	}
	p.gauge("nearside_remote_outbox_notes", "Notes that wait to be told to the operator.", float64(l.Outbox.Notes))
	p.counter("nearside_remote_dropped_total", "Notes to the operator that were given up for want of room.", float64(l.Outbox.Dropped))
	if l.Clock != nil {
		p.states("nearside_clock", "1 for what the device believes of its clock, 0 for the others.", clocks, l.Clock.State)
	}
}

var clocks = []string{"unknown", "floor", "trusted"}
