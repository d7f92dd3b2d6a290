package simulate

import (
	"maps"
	"math"
	"slices"
	"time"

	"nearside/policy"
	"nearside/policy/decide"
)

// Options are a day's.
type Options struct {
	Policy   *policy.Document
	Scenario *Scenario
	Seed     uint64
}

// Day is what came of a scenario.
type Day struct {
	Scenario  string         `json:"scenario"`
	Seed      uint64         `json:"seed"`
	Phases    []Figures      `json:"phases"`
	Total     Figures        `json:"total"`
	Crossings []Crossing     `json:"crossings"`
	Changes   int            `json:"most_changes"` // of the route of one kind of ask, after one crossing
	Drifts    map[string]int `json:"drifts"`       // by kind of ask, changes of route that only the targets' rolling figures made
	Quarters  []Quarter      `json:"quarters"`     // of an hour each, for drawing
}

// Figures are of the asks of some time together.
type Figures struct {
	Name    string         `json:"name"`
	From    string         `json:"from"`
	Asks    int            `json:"asks"`
	Routes  map[string]int `json:"routes"`  // local, cloud, cache, stale, default, none
	Reasons map[string]int `json:"reasons"` // as replies would give them
	MS      float64        `json:"ms"`      // mean time of an answer
	CostUSD float64        `json:"cost_usd"`
}

// Crossing is a moment at which something that routes depend on changed: the
// network, a flag, an outage, or whether the when or the until of a rule holds,
// of the signals without their noise.
type Crossing struct {
	At      string   `json:"at"`
	What    []string `json:"what"`
	Changes int      `json:"changes"` // of route until the next crossing, of the kind of ask that changed most
	Ask     string   `json:"ask,omitempty"`
}

// Quarter is a quarter of an hour.
type Quarter struct {
	Network string             `json:"network"`
	Signals map[string]float64 `json:"signals"` // as they were at its beginning, with their noise
	Routes  map[string]int     `json:"routes"`
}

const quarterS = 15 * 60

// day is one that is being lived.
type day struct {
	o        *Options
	s        *Scenario
	chance   chance
	fleet    *fleet
	world    *world
	held     []string
	since    map[string]time.Time
	answered []bool // by stream: something was answered that may be asked again
	watch    *watch
	result   *Day
}

// Run lives the day. The policy and the scenario must be valid.
func Run(o Options) *Day {
	d := &day{o: &o, s: o.Scenario, chance: chance{o.Seed}, answered: make([]bool, len(o.Scenario.Asks))}
	d.fleet, d.world = newFleet(d.s, &d.chance), newWorld(d.s)
	d.result = &Day{Scenario: d.s.Name, Seed: o.Seed, Total: figures("day", "00:00"), Crossings: []Crossing{}, Drifts: map[string]int{}}
	for _, p := range d.s.Phases {
		d.result.Phases = append(d.result.Phases, figures(p.Name, p.From))
	}
	d.watch = newWatch(d)
	for now := 0; now < dayS; now += d.s.stepS() {
		d.live(now)
	}
	d.watch.close()
	d.result.Total.mean()
	for i := range d.result.Phases {
		d.result.Phases[i].mean()
	}
	return d.result
}

func figures(name, from string) Figures {
	return Figures{Name: name, From: from, Routes: map[string]int{}, Reasons: map[string]int{}}
}

// mean turns the sum of times into their mean.
func (f *Figures) mean() { f.MS /= float64(max(1, f.Asks)) }

func (f *Figures) add(e end) {
	f.Asks++
	f.Routes[e.route]++
	f.Reasons[e.reason]++
	f.MS += e.ms
	f.CostUSD += e.usd
}

// live is one look at the device and the asks until the next.
func (d *day) live(now int) {
	d.fleet.look(now)
	s := d.world.signals(now, &d.chance)
	s.Targets, s.Held, s.HeldSince = d.fleet.targets(), d.held, d.since
	d.held, d.since = policy.Hold(d.o.Policy, &s)
	s.Held, s.HeldSince = d.held, d.since
	d.watch.look(now, &s)
	if now/quarterS == len(d.result.Quarters) {
		d.result.Quarters = append(d.result.Quarters, quarter(&s))
	}
	for i := range d.s.Asks {
		stream := &d.s.Asks[i]
		rate := last(track(stream.PerHour), now) * float64(d.s.stepS()) / 3600
		for ; rate > 0; rate-- {
			if d.chance.happens(min(1, rate)) {
				d.ask(now, i, s)
			}
		}
	}
}

// ask lets one ask of the stream be decided and answered.
func (d *day) ask(now, i int, s policy.Signals) {
	stream := &d.s.Asks[i]
	ask := stream.ask(d.o.Policy)
	s.Targets = d.fleet.targets()
	plan := decide.Plan(d.o.Policy, &ask, &s)
	again := d.chance.happens(stream.Repeats)
	w := walk{day: d, now: now, ask: &ask, plan: &plan, seen: again && d.answered[i]}
	e := w.run()
	if e.target != "" && ask.Privacy != policy.Private {
		d.answered[i] = true
	}
	d.result.Total.add(e)
	phase := 0
	for k, p := range d.s.Phases {
		if seconds(p.From) <= now {
			phase = k
		}
	}
	d.result.Phases[phase].add(e)
	d.result.Quarters[len(d.result.Quarters)-1].Routes[e.route]++
}

func (d *day) price(target string) *policy.Price { return d.fleet.standing(target).model.Price }

func quarter(s *policy.Signals) Quarter {
	q := Quarter{Network: s.Network, Signals: map[string]float64{}, Routes: map[string]int{}}
	for _, name := range numbers() {
		if p := s.Device.Number(name); *p != nil {
			q.Signals[name] = math.Round(**p*100) / 100
		}
	}
	return q
}

// world is what the scenario says of the device.
type world struct {
	start   time.Time
	names   []string
	curves  map[string][]point[float64]
	noise   map[string]float64
	flags   map[string][]point[bool]
	network []point[string]
}

func newWorld(s *Scenario) *world {
	w := &world{
		start: s.start(), names: slices.Sorted(maps.Keys(s.Signals)), network: track(s.Network),
		curves: map[string][]point[float64]{}, noise: map[string]float64{}, flags: map[string][]point[bool]{},
	}
	for name, c := range s.Signals {
		w.curves[name], w.noise[name] = track(c.Points), c.Noise
	}
	for name, f := range s.Flags {
		w.flags[name] = track(f)
	}
	return w
}

// signals are those of a second of the day; without a chance they have no noise.
func (w *world) signals(now int, c *chance) policy.Signals {
	s := policy.Signals{Time: w.start.Add(time.Duration(now) * time.Second), Network: "online"}
	if len(w.network) > 0 {
		s.Network = last(w.network, now)
	}
	for name, track := range w.flags {
		is := last(track, now)
		*s.Device.Flag(name) = &is
	}
	for _, name := range w.names {
		x := between(w.curves[name], now)
		if c != nil {
			x += w.noise[name] * (2*c.share() - 1)
		}
		low, high, _ := policy.Range(name)
		x = min(max(x, low), high)
		*s.Device.Number(name) = &x
	}
	return s
}
