package weigh

import "math/bits"

// guesses are the figures of one target that are needed and not known.
type guesses uint8

// In the order in which they are named.
const (
	guessP50 guesses = 1 << iota
	guessErrors
	guessPrice
	guessCPU
	guessMemory
	guessHeat
	guessCharging
	guessBattery
)

var figures = [...]string{"p50_ms", "error_rate", "price", "cpu_pct", "mem_available_mb", "temperature_c", "charging", "battery_pct"}

// guess is the figure, if it is missing.
func guess(missing bool, figure guesses) guesses {
	if missing {
		return figure
	}
	return 0
}

// assumed names the figures that were guessed of a target. One like the target
// before has the same list.
func (s *Scale) assumed() []string {
	if s.guesses == s.named {
		return s.names
	}
	s.named, s.names = s.guesses, nil
	if s.guesses == 0 {
		return nil
	}
	s.names = make([]string, 0, bits.OnesCount8(uint8(s.guesses)))
	for i, figure := range figures {
		if s.guesses&(1<<i) != 0 {
			s.names = append(s.names, figure)
		}
	}
	return s.names
}
