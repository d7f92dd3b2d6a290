package main

import (
	"fmt"
	"math"
	"strings"
)

// spot is a point of a chart, in its own units.
type spot struct{ x, y float64 }

// line is one line of a chart, or a band where it returns to where it began.
type line struct {
	name   string // "" is not named in the legend
	colour string
	band   bool
	dashed bool
	spots  []spot
}

// chart is a picture of lines. Its lower left corner is low, its upper right
// one is high.
type chart struct {
	title, x, y string
	low, high   spot
	lines       []line
}

// Size of a picture and of the field in it.
const (
	across, down        = 640.0, 420.0
	left, top           = 70.0, 50.0
	fieldWide, fieldTal = 540.0, 300.0
	ticks               = 5
)

// svg is the chart as a picture that needs nothing else.
func (c chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="13">`+"\n", across, down)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="#fff"/>`+"\n", across, down)
	fmt.Fprintf(&b, `<text x="%g" y="26" font-size="15">%s</text>`+"\n", left, c.title)
	c.grid(&b)
	for _, l := range c.lines {
		c.line(&b, l)
	}
	c.legend(&b)
	b.WriteString("</svg>\n")
	return b.String()
}

// at is where a spot is in the picture.
func (c chart) at(s spot) spot {
	return spot{
		left + fieldWide*(s.x-c.low.x)/(c.high.x-c.low.x),
		top + fieldTal*(c.high.y-s.y)/(c.high.y-c.low.y),
	}
}

func (c chart) grid(b *strings.Builder) {
	for i := range ticks + 1 {
		part := float64(i) / ticks
		v := spot{c.low.x + part*(c.high.x-c.low.x), c.low.y + part*(c.high.y-c.low.y)}
		p := c.at(v)
		fmt.Fprintf(b, `<path d="M%.1f %g V%g M%g %.1f H%g" stroke="#ddd"/>`+"\n", p.x, top, top+fieldTal, left, p.y, left+fieldWide)
		fmt.Fprintf(b, `<text x="%.1f" y="%g" text-anchor="middle">%.3g</text><text x="%g" y="%.1f" text-anchor="end">%.3g</text>`+"\n",
			p.x, top+fieldTal+18, v.x, left-6, p.y+4, v.y)
	}
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", left+fieldWide/2, top+fieldTal+42, c.x)
	fmt.Fprintf(b, `<text transform="translate(20 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+fieldTal/2, c.y)
}

func (c chart) line(b *strings.Builder, l line) {
	var d strings.Builder
	for i, s := range l.spots {
		p := c.at(s)
		fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], p.x, p.y)
	}
	style := fmt.Sprintf(`fill="none" stroke="%s" stroke-width="2"`, l.colour)
	if l.band {
		style = fmt.Sprintf(`fill="%s" fill-opacity="0.2"`, l.colour)
	}
	if l.dashed {
		style += ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(b, `<path d="%s" %s/>`+"\n", d.String(), style)
}

func (c chart) legend(b *strings.Builder) {
	y := top + fieldTal - 12
	for _, l := range c.lines {
		if l.name == "" {
			continue
		}
		fmt.Fprintf(b, `<path d="M%g %g h24" stroke="%s" stroke-width="3"/><text x="%g" y="%g">%s</text>`+"\n",
			left+fieldWide-230, y-4, l.colour, left+fieldWide-200, y, l.name)
		y -= 18
	}
}

// Colours of lines.
const (
	blue = "#1f6fb4"
	grey = "#888888"
	red  = "#c0392b"
)

// grain is how many points of a long curve are drawn.
const grain = 200

// routes is a chart of accuracy over the share that is sent to the cloud: a
// mean of curves with the band between the lowest and the highest.
func routes(title string, curves []curve, never, always float64) chart {
	c := chart{
		title: title, x: "share sent to the cloud", y: "share answered rightly",
		low: spot{0, math.Floor(20*never) / 20}, high: spot{1, math.Ceil(20*always) / 20},
	}
	var mean, upper, lower []spot
	for i := range grain + 1 {
		x := float64(i) / grain
		low, high, sum := math.Inf(1), math.Inf(-1), 0.0
		for _, k := range curves {
			y := never + (always-never)*k[int(x*float64(len(k)-1))]
			low, high, sum = min(low, y), max(high, y), sum+y
		}
		mean = append(mean, spot{x, sum / float64(len(curves))})
		upper = append(upper, spot{x, high})
		lower = append([]spot{{x, low}}, lower...)
	}
	c.lines = []line{
		{colour: blue, band: true, spots: append(upper, lower...)},
		{name: "chance", colour: grey, dashed: true, spots: []spot{{0, never}, {1, always}}},
		{name: "nearside", colour: blue, spots: mean},
	}
	return c
}

// diagram is a reliability diagram: what was foretold against what came true,
// before and after calibration.
func diagram(title string, raw, calibrated [10]bucket) chart {
	return chart{
		title: title, x: "foretold chance of a right answer", y: "share of right answers",
		high: spot{1, 1},
		lines: []line{
			{name: "as foretold", colour: grey, dashed: true, spots: []spot{{0, 0}, {1, 1}}},
			{name: "raw confidence", colour: red, spots: spotsOf(raw)},
			{name: "calibrated", colour: blue, spots: spotsOf(calibrated)},
		},
	}
}

func spotsOf(bins [10]bucket) []spot {
	var out []spot
	for _, b := range bins {
		out = append(out, spot{b.foretold, b.right})
	}
	return out
}
