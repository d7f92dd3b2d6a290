package weigh

import "nearside/policy"

// ramp is where a signal begins to matter to the device, and where it is worst.
type ramp struct {
	figure      guesses
	from, worst float64
}

// strain gives the terms of what the device's state costs a local target.
func (s *Scale) strain(t *policy.Terms) {
	w, d := &s.doc.Weights, &s.sig.Device
	t.CPU = s.burden(w.CPU, d.CPUPct, ramp{guessCPU, 50, 100})
	t.Memory = s.burden(w.Memory, d.MemAvailableMB, ramp{guessMemory, 1024, 64})
	t.Heat = s.burden(w.Heat, d.TemperatureC, ramp{guessHeat, 60, 95})
	t.Battery = s.burden(w.Battery*s.drain(), d.BatteryPct, ramp{guessBattery, 50, 5})
}

// burden is the term of one signal: nothing where the ramp begins, all of the
// weight at its end, half of it when the signal is not known.
func (s *Scale) burden(weight float64, signal *float64, r ramp) float64 {
	if weight == 0 {
		return 0
	}
	s.guesses |= guess(signal == nil, r.figure)
	return 0 - weight*share((known(signal, (r.from+r.worst)/2)-r.from)/(r.worst-r.from))
}

// drain is how much of the battery's weight counts: none of it while charging,
// half when that is not known.
func (s *Scale) drain() float64 {
	charging := s.sig.Device.Charging
	s.guesses |= guess(charging == nil && s.doc.Weights.Battery > 0, guessCharging)
	switch {
	case charging == nil:
		return 0.5
	case *charging:
		return 0
	}
	return 1
}
