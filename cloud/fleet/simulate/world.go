package simulate

import (
	"hash/maphash"
	"math/rand/v2"
	"time"

	"nearside/policy"
	"nearside/policy/decide"
	"nearside/policy/trial"
)

// Targets of the world.
const (
	Near = "local/small"
	Far  = "cloud/large"
)

// kinds of asks, and how sure the device's model is of its answer to each.
var kinds = []struct {
	task      string
	share     float64
	low, high float64
}{
	{"chat", 0.4, 0.5, 1},
	{"facts", 0.2, 0.2, 0.9},
	{"math", 0.2, 0, 0.15},
	{"code", 0.2, 0, 0.1},
}

// sure is how sure a model is of an answer that is as good as the cloud's: what
// the device's own policy would demand.
const sure = 0.2

// world is what comes of the asks of one device.
type world struct {
	random *rand.Rand
}

// newWorld is the world of the device of that name, the same each time.
func newWorld(device string) world {
	return world{rand.New(rand.NewPCG(maphash.String(seed, device), 1))}
}

var seed = maphash.MakeSeed()

// ask is one ask, decided by the policy, and what comes of it.
func (w world) ask(d *policy.Document) trial.Outcome {
	kind := w.kind()
	confidence := kinds[kind].low + w.random.Float64()*(kinds[kind].high-kinds[kind].low)
	ask := policy.Ask{
		Service: policy.Chat, Model: "auto", Mode: "auto", Task: kinds[kind].task, Privacy: policy.Normal, DeadlineMS: d.Deadline(policy.Chat),
		Size: policy.Size{Bytes: 400, TokensEst: 100, TokensOut: 200},
	}
	signals := signals()
	plan := decide.Plan(d, &ask, &signals)
	return w.walk(&plan, confidence)
}

// walk takes the steps of a plan as the agent does.
func (w world) walk(p *policy.Plan, confidence float64) trial.Outcome {
	var o trial.Outcome
	tried, answered := false, false
	for _, s := range p.Steps {
		switch s.Kind {
		case policy.StepLocal:
			tried, answered = true, true
			o.MS += w.about(400)
			o.Local, o.Poor = true, confidence < sure
			if confidence >= s.Threshold {
				return o
			}
		case policy.StepCloud:
			o.MS += w.about(900)
			o.Local, o.Poor, o.CostUSD = false, false, w.about(0.0003)
			return o
		}
	}
	if !answered {
		o.Failed, o.Refused = tried, !tried
	}
	return o
}

func (w world) kind() int {
	at := w.random.Float64()
	for i, k := range kinds {
		if at -= k.share; at < 0 {
			return i
		}
	}
	return 0
}

// about is a value that varies by a factor of two and a half at most.
func (w world) about(x float64) float64 { return x * (0.6 + 0.9*w.random.Float64()) }

func signals() policy.Signals {
	number := func(x float64) *float64 { return &x }
	return policy.Signals{
		Time: time.Now(), Network: "online",
		Targets: []policy.Target{
			{Name: Near, Services: []string{policy.Chat}, Near: true, Usable: true, P50MS: number(400), P95MS: number(700), ErrorRate: number(0)},
			{Name: Far, Services: []string{policy.Chat}, Usable: true, P50MS: number(900), P95MS: number(1500), ErrorRate: number(0), Price: &policy.Price{Input: 0.5, Output: 1.5}},
		},
	}
}
