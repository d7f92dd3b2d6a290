package learn_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"nearside/agent"
	"nearside/agent/learn"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/policy"
	"nearside/policy/calib"
	"nearside/policy/deferral"
)

// BenchmarkExpect is what it takes to know what to expect of the device, with
// and without a model of questions.
func BenchmarkExpect(b *testing.B) {
	doc := &policy.Document{Check: policy.Check{Skip: 0.2}, Quality: policy.Quality{Cloud: map[string]float64{"default": 0.9}}}
	targets := []policy.Target{{Name: "local/small", Services: []string{"chat"}}, {Name: "cloud/first", Services: []string{"chat"}}}
	ask, text := &policy.Ask{Service: "chat", Task: "chat", Mode: policy.Auto}, said(lamp, 7)
	for _, sketches := range []bool{false, true} {
		b.Run(fmt.Sprintf("text=%t", sketches), func(b *testing.B) {
			l, stop := learned(b, sketches, doc)
			defer stop()
			b.ReportAllocs()
			for b.Loop() {
				if e := l.Calibration().Expect(doc, ask, text, targets); len(e) != 1 || (e[0].Gain != nil) != sketches {
					b.Fatalf("expected %v", e)
				}
			}
		})
	}
}

// learned is a learner that knows 1,500 labels, until it is stopped.
func learned(b *testing.B, sketches bool, doc *policy.Document) (l *learn.Learner, stop func()) {
	d, before := newDisk(), prior(b, "m1")
	for i := range 1500 {
		x := label.Label{Decision: fmt.Sprint(i), Source: label.FromEscalation, At: time.Now(), Model: "m1", Task: "chat", Good: float64(1 - i%2), Propensity: 1, Weight: 0.5}
		if sketches {
			x.Sketch = deferral.SketchOf(said([]string{lamp, proof}[i%2], i))
		}
		d.labels = append(d.labels, x)
	}
	l = learn.New(learn.Parts{
		Shelf: func() learn.Shelf { return d }, Facts: func() learn.Facts { return d },
		Models: func(context.Context) map[string]calib.Model {
			return map[string]calib.Model{"local/small": {SHA256: "m1"}}
		},
		Prior: func(calib.Model) (*standing.Before, error) { return &standing.Before{Table: before}, nil }, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
		World: func() audit.World { return audit.World{Doc: doc} },
	}, learn.Settings{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	for len(l.Report().Targets) == 0 {
	}
	return l, func() { cancel(); <-ended }
}

// BenchmarkRequest is what a request that the device answers pays for learning:
// what to expect of it, the chance that its answer is good, and its lesson.
func BenchmarkRequest(b *testing.B) {
	labels := make([]calib.Label, 500)
	for i := range labels {
		labels[i] = calib.Label{Task: "chat", Score: float64(i) / 500, Good: float64(i % 2)}
	}
	prior, err := calib.Fit(calib.Model{SHA256: "m1"}, labels)
	if err != nil {
		b.Fatal(err)
	}
	d := newDisk()
	l := learn.New(learn.Parts{
		Shelf: func() learn.Shelf { return d }, Facts: func() learn.Facts { return d }, History: func() learn.History { return d },
		Models: func(context.Context) map[string]calib.Model {
			return map[string]calib.Model{"local/small": {SHA256: "m1"}}
		},
		Prior: func(calib.Model) (*standing.Before, error) { return &standing.Before{Table: prior}, nil }, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
		Cloud: speaker{}, Random: func() float64 { return 0.5 },
	}, learn.Settings{AuditShare: 0.015})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	for len(l.Report().Targets) == 0 {
	}
	request, err := openai.Decode([]byte(`{"messages":[{"role":"user","content":"What is the capital of France?"}]}`))
	if err != nil {
		b.Fatal(err)
	}
	said, err := completion.Parse([]byte(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Paris"}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	doc := &policy.Document{Check: policy.Check{Budget: map[string]float64{"default": 0.3}}}
	targets := []policy.Target{{Name: "local/small", Services: []string{"chat"}}, {Name: "cloud/first", Services: []string{"chat"}}}
	ask, sure := &policy.Ask{Service: "chat", Task: "chat", Mode: policy.Auto}, 0.7
	b.ReportAllocs()
	for b.Loop() {
		c := l.Calibration()
		if e := c.Expect(doc, ask, capital, targets); len(e) != 1 {
			b.Fatalf("expected %v", e)
		}
		l.Learn(&agent.Lesson{
			Decision: "d", Ask: ask, Request: request, Local: c.Judge("local/small", ask, &sure), Sure: &sure, Said: said, Formed: true, Given: true,
		})
	}
	cancel()
	<-ended
}
