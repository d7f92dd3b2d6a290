package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// question is one of those that are asked all day.
type question struct{ name, text, mode, privacy string }

var questions = []question{
	{"simple", "What is the capital of Spain?", "", ""},
	{"unsure", "Who was the emperor in the year 532?", "", ""},
	{"math", "What is 638 times 417?", "", ""},
	{"private", "What is in my calendar today?", "", "private"},
	{"cloud", "Is there a traffic jam ahead?", "cloud", ""},
}

const askEvery = 10 * time.Second // one question after the other, so each every 50 s and more

// stretch is a part of the day, and the routes it is to have once it has
// settled.
type stretch struct {
	from  time.Duration // since midnight
	what  string
	start func(*car)
	runs  func(*car, time.Duration) // before every question, with the time since it began
	takes time.Duration             // until the change is known
	want  string                    // route of each question, in their order: local, cloud, stale, none, or either/or
	turns int                       // changes of route per question at most, its beginning included
}

// The usual answers, by what there is.
const (
	whole  = "local cloud cloud local cloud"
	alone  = "local local/stale local/stale local stale"
	garage = "local local local local none"
)

func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// wave goes to and fro about 0 by as much as high, quickly, as sensors do.
func wave(at time.Duration, high float64) float64 {
	return high * math.Sin(at.Seconds()/7)
}

// aDay is a day in a car.
func aDay() []stretch {
	wifi, modem := "192.0.2.0/24", "198.51.100.0/24"
	heat := func(c *car, at time.Duration) {
		rise := min(at.Minutes(), 30) / 30
		c.push("temperature_c", 60+28*rise+wave(at, 4))
	}
	cool := func(c *car, at time.Duration) { c.push("temperature_c", max(60, 88-at.Minutes())+wave(at, 4)) }
	drain := func(c *car, at time.Duration) { c.push("battery_pct", max(0, 26-at.Minutes()/4)+wave(at, 1)) }
	roaming := func(c *car, _ time.Duration) { c.push("metered", true) }
	tunnels := func(c *car, at time.Duration) {
		c.meets([]air{good, silent}[int(at.Minutes())/3%2])
	}
	return []stretch{
		{clock(5, 45), "cold start in the garage, no link", func(c *car) { c.link("") }, nil, 0, garage, 0},
		{clock(6, 0), "out of the garage", func(c *car) { c.link(modem) }, nil, time.Minute, whole, 1},
		{clock(7, 0), "tunnels, 3 minutes each, the modem holds its link", nil, tunnels, 0, "", 20},
		{clock(8, 0), "on the road", func(c *car) { c.meets(good) }, nil, time.Minute, whole, 1},
		{clock(10, 0), "parked in the sun, up to 92 C", nil, heat, 30 * time.Minute, "cloud cloud cloud local cloud", 1},
		{clock(11, 30), "cooling down", nil, cool, 20 * time.Minute, whole, 1},
		{clock(12, 30), "charging stop, a network with a portal", func(c *car) { c.meets(signIn); c.link(wifi) }, nil, time.Minute, alone, 1},
		{clock(12, 50), "signed in", func(c *car) { c.meets(good) }, nil, time.Minute, whole, 1},
		{clock(13, 30), "on the road again", func(c *car) { c.link(modem) }, nil, 0, whole, 0},
		{clock(15, 0), "parked, the battery goes down to 8 %", func(c *car) { c.push("charging", false) }, drain, 40 * time.Minute, "cloud cloud cloud local cloud", 1},
		{clock(16, 12), "charging", func(c *car) { c.push("battery_pct", 35.0); c.push("charging", true) }, nil, time.Minute, whole, 1},
		{clock(18, 0), "roaming, the host app says metered", nil, roaming, time.Minute, whole, 0},
		{clock(19, 0), "roaming in the mountains, poor reception", func(c *car) { c.meets(poor) }, roaming, 10 * time.Minute, whole, 0},
		{clock(20, 0), "good reception, the home network", func(c *car) { c.meets(good); c.push("metered", false) }, nil, 10 * time.Minute, whole, 0},
		{clock(21, 0), "in the garage", func(c *car) { c.link("") }, nil, 0, alone, 1},
		{clock(22, 0), "", nil, nil, 0, "", 0},
	}
}

// tally is what a stretch was like.
type tally struct {
	routes  []map[string]int // by question: how often a route and its reason
	last    []string         // by question
	turns   []int            // changes of route by question
	network map[string]int   // how often a state was seen
	changed int              // changes of the network's state
	held    []string
}

// TestDayInACar drives through a day and prints the table of docs/OPERATE.md.
func TestDayInACar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		midnight := time.Now()
		c, day := newCar(t), aDay()
		defer c.stop()
		pass(day[0].from)
		last, state, table := make([]string, len(questions)), "", [][]string{}
		for i, s := range day[:len(day)-1] {
			if s.start != nil {
				s.start(c)
			}
			got := tally{last: last, turns: make([]int, len(questions)), routes: make([]map[string]int, len(questions)), network: map[string]int{}}
			for n := 0; time.Since(midnight) < day[i+1].from; n++ {
				c.drive(&s, &got, n, midnight)
				if v := c.cloud.Network().State; v != state {
					state = v
					got.changed++
				}
				got.network[state]++
			}
			got.check(t, &s)
			table = append(table, got.row(&s))
		}
		show(t, table)
	})
}

func pass(d time.Duration) { <-time.After(d) }

// drive asks the next question of a stretch.
func (c *car) drive(s *stretch, got *tally, n int, midnight time.Time) {
	at := time.Since(midnight) - s.from
	if s.runs != nil {
		s.runs(c, at)
	}
	i := n % len(questions)
	route, reason := c.ask(questions[i])
	if got.last[i] != "" && got.last[i] != route {
		got.turns[i]++
	}
	got.last[i] = route
	if want := strings.Fields(s.want); at > s.takes && len(want) > 0 && !slices.Contains(strings.Split(want[i], "/"), route) {
		c.t.Errorf("%s, after %v: %s by %s because of %s, want %s", s.what, at, questions[i].name, route, reason, want[i])
	}
	if at >= s.takes || s.want == "" {
		if got.routes[i] == nil {
			got.routes[i] = map[string]int{}
		}
		got.routes[i][route+" "+reason]++
	}
	got.held = c.signals().Held
	pass(askEvery)
}

// check holds the stretch to its bounds.
func (got *tally) check(t *testing.T, s *stretch) {
	for i, n := range got.turns {
		if n > s.turns {
			t.Errorf("%s: %s changed its route %d times, want %d at most", s.what, questions[i].name, n, s.turns)
		}
	}
	if most := s.turns + 4; got.changed > most {
		t.Errorf("%s: the network changed its state %d times, want %d at most", s.what, got.changed, most)
	}
}

// row is the stretch as the table shows it: what it was like in the end, and
// the most changes of route of any question.
func (got *tally) row(s *stretch) []string {
	at := time.Time{}.Add(s.from).Format("15:04")
	row := []string{at, s.what, most(got.network), cmp.Or(strings.Join(got.held, ", "), "-")}
	for i := range questions {
		row = append(row, most(got.routes[i]))
	}
	return append(row, fmt.Sprint(slices.Max(got.turns)))
}

// most lists what was seen, the most frequent first.
func most(seen map[string]int) string {
	names := slices.SortedFunc(maps.Keys(seen), func(x, y string) int {
		return cmp.Or(cmp.Compare(seen[y], seen[x]), cmp.Compare(x, y))
	})
	return strings.Join(names, "; ")
}

func show(t *testing.T, table [][]string) {
	var b strings.Builder
	head := []string{"from", "what", "network", "rules"}
	for _, q := range questions {
		head = append(head, q.name)
	}
	head = append(head, "changes")
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, row := range table {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	t.Log("\n" + b.String())
}
