package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Sizes of the drawing.
const (
	left   = 70
	top    = 70
	width  = 860
	height = 260
)

// lines are the counts that are drawn, with their colours.
var lines = []struct {
	name, colour string
	count        func(*sample) int
}{
	{"connected", "#8a8a8a", func(s *sample) int { return s.Connected }},
	{"version 1 on trial", "#93c2a8", func(s *sample) int { return s.count(1, "candidate", "probation") }},
	{"version 1 confirmed", "#2f7d5b", func(s *sample) int { return s.count(1, "confirmed", "rolled_back") }},
	{"version 2 on trial", "#b23b2e", func(s *sample) int { return s.count(2, "candidate", "probation") }},
	{"version 2 rolled back", "#c79a1e", func(s *sample) int { return s.count(0, "rolled_back") + s.count(1, "rolled_back") }},
	{"version 3 in force", "#3c6fb0", func(s *sample) int { return s.count(3, "candidate", "probation", "confirmed") }},
}

// svg draws how many devices had what, over time, on a scale of powers of ten.
func (r *rehearsal) svg() string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title" font-family="sans-serif" font-size="12" fill="#222">`, left+width+30, top+height+90)
	put(`<title id="title">A rollout rehearsed with %d devices</title>`, r.plan.devices)
	put(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	put(`<text x="%d" y="24" font-size="16" font-weight="bold">A rollout rehearsed with %d devices</text>`, left, r.plan.devices)
	r.frame(put)
	for _, l := range lines {
		var points []string
		for _, s := range r.all() {
			points = append(points, fmt.Sprintf("%.1f,%.1f", r.x(s.at.Seconds()), r.y(l.count(&s))))
		}
		put(`<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`, l.colour, strings.Join(points, " "))
	}
	for i, l := range lines {
		x := left + i*width/len(lines)
		put(`<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`, x, top+height+56, l.colour, x+17, top+height+66, l.name)
	}
	put("</svg>")
	return b.String()
}

// frame draws the scenes as bands and the scales.
func (r *rehearsal) frame(put func(string, ...any)) {
	for i, s := range r.scenes {
		x, end := r.x(s.begin.Seconds()), r.x(s.end.Seconds())
		put(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, x, top, end-x, height, []string{"#f6f6f3", "#ecece6"}[i%2])
		put(`<text x="%.1f" y="%d" font-size="11">%d <title>%s</title></text>`, x+4, top+14, i+1, html.EscapeString(s.name))
	}
	var names []string
	for i, s := range r.scenes {
		names = append(names, fmt.Sprintf("%d %s", i+1, s.name))
	}
	put(`<text x="%d" y="46" font-size="11">%s</text>`, left, html.EscapeString(strings.Join(names, " · ")))
	for n := 1; n <= r.plan.devices; n *= 10 {
		put(`<text x="%d" y="%.1f" text-anchor="end">%d</text><line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>`, left-8, r.y(n)+4, n, left, left+width, r.y(n), r.y(n))
	}
	put(`<text x="%d" y="%.1f" text-anchor="end">%d</text>`, left-8, r.y(r.plan.devices)+4, r.plan.devices)
	for t := 0.0; t <= r.length(); t += 30 {
		put(`<text x="%.1f" y="%d" text-anchor="middle">%.0f s</text>`, r.x(t), top+height+18, t)
	}
}

// length is that of the rehearsal in seconds.
func (r *rehearsal) length() float64 { return r.scenes[len(r.scenes)-1].end.Seconds() }

func (r *rehearsal) x(seconds float64) float64 { return left + width*min(1, seconds/r.length()) }

// y is where so many devices are drawn: none at the bottom.
func (r *rehearsal) y(n int) float64 {
	if n <= 0 {
		return top + height
	}
	decades := math.Log10(float64(r.plan.devices)) + 0.5
	return top + height - height*(math.Log10(float64(n))+0.4)/decades
}
