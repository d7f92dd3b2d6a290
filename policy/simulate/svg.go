package simulate

import (
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
)

// Sizes of a drawing.
const (
	left   = 130 // where the day begins
	width  = 840 // of the day
	margin = 14  // between lanes
)

// routes are in the order in which they are stacked, with their colours.
var routes = []struct{ name, colour string }{
	{"local", "#2f7d5b"}, {"cache", "#93c2a8"}, {"cloud", "#3c6fb0"}, {"stale", "#c79a1e"}, {"default", "#8a8a8a"}, {"none", "#b23b2e"},
}

// networks are the colours of the network's states.
var networks = map[string]string{
	"online": "#cfe3f5", "metered": "#f3e2b3", "degraded": "#e6d5c3", "unknown": "#e4e4e4", "portal": "#e9c4d8", "offline": "#e2a39b",
}

// signals are those that get a lane where they are known, with what they are
// called and where their lane begins and ends.
var signals = []struct {
	name, title string
	low, high   float64
}{
	{"temperature_c", "temperature, °C", 0, 100}, {"battery_pct", "battery, %", 0, 100},
	{"mem_available_mb", "free memory, MB", 0, 2000}, {"cpu_pct", "processor, %", 0, 100},
}

// drawing is an SVG that grows downward.
type drawing struct {
	strings.Builder
	y int
}

func (d *drawing) put(format string, args ...any) { fmt.Fprintf(&d.Builder, format+"\n", args...) }

func (d *drawing) label(text string, height int) {
	d.put(`<text x="%d" y="%d" text-anchor="end">%s</text>`, left-10, d.y+height/2+4, html.EscapeString(text))
}

// x is where a quarter of an hour is drawn.
func x(quarter int) float64 { return left + float64(quarter)*width/96 }

// SVG draws the day as a timeline: what the network and the device were, and
// how the asks of every quarter of an hour were answered.
func (d *Day) SVG() string {
	var body drawing
	body.y = 62
	body.phases(d)
	body.network(d)
	for _, s := range signals {
		if _, known := d.Quarters[0].Signals[s.name]; known {
			body.line(d, s.name, s.title, s.low, s.high)
		}
	}
	body.shares(d)
	body.axis()
	body.legend(d)
	var all drawing
	all.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc" font-family="sans-serif" font-size="12" fill="#222">`, left+width+44, body.y)
	all.put(`<title id="title">A simulated day: %s</title>`, html.EscapeString(d.Scenario))
	all.put(`<desc id="desc">%s</desc>`, html.EscapeString(d.describe()))
	all.put(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	all.put(`<text x="%d" y="24" font-size="16" font-weight="bold">A simulated day: %s</text>`, left, html.EscapeString(d.Scenario))
	all.put(`<text x="%d" y="44">%s</text>`, left, html.EscapeString(d.describe()))
	all.WriteString(body.String())
	all.put("</svg>")
	return all.String()
}

// describe says in a sentence what a drawing shows.
func (d *Day) describe() string {
	var parts []string
	for _, r := range routes {
		if n := d.Total.Routes[r.name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, r.name))
		}
	}
	return fmt.Sprintf("%d asks: %s. %d crossings, at most %d changes of route after one.", d.Total.Asks, strings.Join(parts, ", "), len(d.Crossings), d.Changes)
}

func (d *drawing) phases(day *Day) {
	const height = 20
	for i, p := range day.Phases {
		from, to := float64(seconds(p.From)), float64(dayS)
		if i+1 < len(day.Phases) {
			to = float64(seconds(day.Phases[i+1].From))
		}
		d.put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, left+from*width/dayS, d.y, (to-from)*width/dayS, height, []string{"#f2f2f2", "#e6e6e6"}[i%2])
		if (to-from)*width/dayS > 6.5*float64(len(p.Name)) {
			d.put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, left+(from+to)/2*width/dayS, d.y+14, html.EscapeString(p.Name))
		}
	}
	d.label("phase", height)
	d.y += height + margin
}

// network draws the states of the network, those that last with their names.
func (d *drawing) network(day *Day) {
	const height = 20
	for from := 0; from < len(day.Quarters); {
		to := from
		for to < len(day.Quarters) && day.Quarters[to].Network == day.Quarters[from].Network {
			to++
		}
		state := day.Quarters[from].Network
		d.put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>`, x(from), d.y, x(to)-x(from), height, networks[state], state)
		if to-from > len(state)*3/4 {
			d.put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, (x(from)+x(to))/2, d.y+14, state)
		}
		from = to
	}
	d.label("network", height)
	d.y += height + margin
}

// line draws one signal.
func (d *drawing) line(day *Day, name, title string, low, high float64) {
	const height = 56
	points := make([]string, len(day.Quarters))
	for i, q := range day.Quarters {
		share := (min(max(q.Signals[name], low), high) - low) / (high - low)
		points[i] = fmt.Sprintf("%.1f,%.1f", x(i), float64(d.y)+height*(1-share))
	}
	d.put(`<rect x="%d" y="%d" width="%d" height="%d" fill="#fafafa" stroke="#ddd"/>`, left, d.y, width, height)
	d.put(`<polyline points="%s" fill="none" stroke="#7a4a9e" stroke-width="1.6"/>`, strings.Join(points, " "))
	d.put(`<text x="%d" y="%d" font-size="9" fill="#666">%.0f</text><text x="%d" y="%d" font-size="9" fill="#666">%.0f</text>`,
		left+width+3, d.y+8, high, left+width+3, d.y+height, low)
	d.label(title, height)
	d.y += height + margin
}

// shares draws how the asks of each quarter were answered, of one height as a
// share, and the legend.
func (d *drawing) shares(day *Day) {
	const height = 150
	d.put(`<rect x="%d" y="%d" width="%d" height="%d" fill="#fafafa" stroke="#ddd"/>`, left, d.y, width, height)
	for i, q := range day.Quarters {
		asks := 0
		for _, name := range slices.Sorted(maps.Keys(q.Routes)) {
			asks += q.Routes[name]
		}
		bottom := float64(d.y + height)
		for _, r := range routes {
			if n := q.Routes[r.name]; n > 0 {
				h := float64(height*n) / float64(asks)
				bottom -= h
				d.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, x(i), bottom, x(1)-x(0)-0.6, h, r.colour)
			}
		}
	}
	d.label("routes, share", height)
	d.y += height + margin
}

// axis draws the hours.
func (d *drawing) axis() {
	for hour := 0; hour <= 24; hour += 2 {
		d.put(`<text x="%.1f" y="%d" text-anchor="middle" font-size="10" fill="#555">%02d:00</text>`, x(4*hour), d.y, hour)
	}
	d.y += 14
}

// legend names the colours of routes and of the network's states that were.
func (d *drawing) legend(day *Day) {
	at := left
	entry := func(name, colour string) {
		d.put(`<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`, at, d.y, colour, at+17, d.y+10, name)
		at += 78
	}
	for _, r := range routes {
		if day.Total.Routes[r.name] > 0 {
			entry(r.name, r.colour)
		}
	}
	at, d.y = left, d.y+20
	for _, state := range slices.Sorted(maps.Keys(networks)) {
		if slices.ContainsFunc(day.Quarters, func(q Quarter) bool { return q.Network == state }) {
			entry(state, networks[state])
		}
	}
	d.y += 26
}
