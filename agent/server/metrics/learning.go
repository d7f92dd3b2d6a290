package metrics

import (
	"nearside/agent/learn"
	"nearside/agent/learn/standing"
)

// learning shows what is found out about answers.
func (p page) learning(r *learn.Report) {
	for source, n := range r.Labels {
		p.gauge("nearside_labels", "What was found out about answers and is kept, by source.", float64(n), "source", source)
	}
	p.counter("nearside_labels_dropped_total", "Findings that could not be kept.", float64(r.Dropped))
	p.counter("nearside_calibration_refits_total", "Calibrations that were fitted with labels.", float64(r.Refits))
	p.counter("nearside_calibration_alarms_total", "Drifts of a local model that were noticed.", float64(r.Alarms))
	for _, t := range r.Targets {
		p.states("nearside_calibration", "1 for the state of what is known of a local target, 0 for the others.", calibrations, t.State, "target", t.Name)
	}
	for _, t := range r.Targets {
		if t.Text != nil {
			p.gauge("nearside_calibration_text", "1 while the words of questions sway what is expected of a local target.", truth(t.Text.InForce), "target", t.Name)
		}
	}
	const audits = "Answers that were picked to be audited, by what became of that."
	p.counter("nearside_audits_total", audits, float64(r.Audits.Done), "result", "done")
	p.counter("nearside_audits_total", audits, float64(r.Audits.Failed), "result", "failed")
	for why, n := range r.Audits.Skipped {
		p.counter("nearside_audits_total", audits, float64(n), "result", "skipped_"+why)
	}
}

var calibrations = []string{standing.Measured, standing.Doubted, standing.Unmeasured, standing.Changed}
