package learn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nearside/agent"
	"nearside/agent/config/written"
	"nearside/agent/decision"
	"nearside/agent/learn"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/agent/openai"
	"nearside/agent/openai/completion"
	"nearside/policy"
	"nearside/policy/calib"
)

// disk is what outlasts a learner: labels, facts and records.
type disk struct {
	mu      sync.Mutex // guards all below
	labels  []label.Label
	facts   map[string]string
	records map[string][]byte
}

func newDisk() *disk { return &disk{facts: map[string]string{}, records: map[string][]byte{}} }

func (d *disk) Put(_ context.Context, list []label.Label) (replaced int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range list {
		i := slices.IndexFunc(d.labels, func(old label.Label) bool { return old.Decision == l.Decision && old.Source == l.Source })
		if i < 0 {
			d.labels = append(d.labels, l)
			continue
		}
		replaced++
		d.labels[i] = l
	}
	return replaced, nil
}

func (d *disk) Labels(_ context.Context, model string, limit int) (list []label.Label, err error) {
	for _, l := range slices.Backward(d.kept()) {
		if l.Model == model && len(list) < limit {
			list = append(list, l)
		}
	}
	return list, nil
}

func (d *disk) Count(context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, l := range d.kept() {
		counts[l.Source]++
	}
	return counts, nil
}

func (d *disk) kept() []label.Label {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.labels)
}

func (d *disk) Fact(_ context.Context, name string) (string, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.facts[name]
	return v, ok, nil
}

func (d *disk) SetFact(_ context.Context, name, value string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.facts[name] = value
	return nil
}

func (d *disk) Decision(_ context.Context, id string) ([]byte, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.records[id]
	return r, ok, nil
}

func (d *disk) Record(id string, _ time.Time, record func([]byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[id] = record(nil)
}

// room is an agent with a learner, in virtual time. Near answers with what is
// in near, as sure as sure says; the cloud with far.
type room struct {
	t      *testing.T
	disk   *disk
	model  string // identity of the local model
	prior  *calib.Table
	broken error // why there is none that can be used
	budget map[string]float64
	skip   float64
	rules  []policy.Rule // in the place of those there are, unless nil
	near   string
	far    string
	sure   float64
	set    learn.Settings
	cloud  func(ctx context.Context, call openai.Call) error // of every call there, before it is answered; nil is none
	ahead  time.Duration                                     // of the clock on the wall
	chance float64                                           // what Random says

	mu      sync.Mutex // guards the three below
	signals policy.Signals
	link    string
	shut    bool // the shelf cannot be had yet

	doc     *policy.Document
	learner *learn.Learner
	agent   *agent.Agent
	news    int
	leave   func()
}

// open begins a life of the learner; what the disk has is from lives before.
func (r *room) open() {
	r.t.Helper()
	if r.signals.Targets == nil {
		r.signals = policy.Signals{Network: "online", Targets: []policy.Target{
			{Name: "local/small", Services: []string{"chat"}, Near: true, Usable: true},
			{Name: "cloud/first", Services: []string{"chat"}, Usable: true},
		}}
	}
	r.doc = r.policy()
	r.learner = learn.New(learn.Parts{
		Shelf: r.shelf, Facts: func() learn.Facts { return r.disk }, History: func() learn.History { return r.disk },
		Models: func(context.Context) map[string]calib.Model {
			if r.model == "" {
				return nil
			}
			return map[string]calib.Model{"local/small": {Name: "small", SHA256: r.model}}
		},
		Prior:   r.measured,
		Changed: func() { r.news++ }, Log: slog.New(slog.DiscardHandler),
		Now:   func() time.Time { return time.Now().Add(r.ahead) },
		Cloud: speaker{r, "cloud/first"}, World: r.world, Random: func() float64 { return r.chance },
	}, r.set)
	r.agent = agent.New(agent.Parts{
		Local: speaker{r, "local/small"}, Cloud: speaker{r, "cloud/first"}, Scorer: r, Recorder: r.disk, Signals: func() policy.Signals { return r.world().Signals },
		Calibration: r.learner.Calibration, Learner: r.learner,
	}, agent.Settings{Policy: &agent.Policy{Doc: r.doc, Digest: "d1"}})
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.learner.Run(ctx) }()
	r.leave = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("run: %v", err)
		}
	}
	synctest.Wait()
}

func (r *room) shelf() learn.Shelf {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		return nil
	}
	return r.disk
}

func (r *room) policy() *policy.Document {
	doc, _, _ := written.DefaultPolicy()
	with := *doc
	with.Check.Budget, with.Check.Skip = r.budget, r.skip
	if r.rules != nil {
		with.Rules = r.rules
	}
	return &with
}

func (r *room) world() audit.World {
	r.mu.Lock()
	defer r.mu.Unlock()
	return audit.World{Doc: r.doc, Signals: r.signals, Link: r.link}
}

func (r *room) measured(calib.Model) (*standing.Before, error) {
	if r.prior == nil {
		return nil, r.broken
	}
	return &standing.Before{Table: r.prior, From: "imported"}, r.broken
}

// turns has the world be another one.
func (r *room) turns(change func(s *policy.Signals, link *string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signals.Targets = slices.Clone(r.signals.Targets)
	change(&r.signals, &r.link)
}

// Confidence makes it an agent's scorer.
func (r *room) Confidence(string, []completion.Token) (float64, bool) { return r.sure, r.sure >= 0 }

type speaker struct {
	room   *room
	target string
}

// Chat makes it an agent's answerer.
func (s speaker) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	message := s.room.near
	if s.target != "local/small" {
		message = s.room.far
		if s.room.cloud != nil {
			if err := s.room.cloud(ctx, call); err != nil {
				return nil, err
			}
		}
	}
	if message[0] != '{' {
		message = fmt.Sprintf(`{"role":"assistant","content":%q}`, message)
	}
	body := fmt.Appendf(nil, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":%s}]}`, message)
	if call.Request.Stream {
		stream, err := completion.Replay(body, call.Request.IncludeUsage)
		if err != nil {
			return nil, err
		}
		return &openai.Reply{Target: s.target, Stream: stream, Answer: stream.Answer}, nil
	}
	a, err := completion.Parse(body)
	return &openai.Reply{Target: s.target, Body: body, Answer: a}, err
}

// ask puts a question through the agent; fields are JSON members of the body.
func (r *room) ask(question string, change func(*agent.Input), fields ...string) *decision.Record {
	r.t.Helper()
	body := fmt.Sprintf(`{"messages":[{"role":"user","content":%q}]`, question)
	for _, f := range fields {
		body += "," + f
	}
	request, err := openai.Decode([]byte(body + "}"))
	if err != nil {
		r.t.Fatal(err)
	}
	in := agent.Input{Request: request, Caller: "me"}
	if change != nil {
		change(&in)
	}
	result, err := r.agent.Handle(r.t.Context(), in)
	status := 200
	if err != nil {
		status = 503
	}
	if result.Stream != nil {
		for err == nil {
			_, err = result.Stream.Next()
		}
		err = nil
	}
	result.Close(agent.Finish{Status: status, Err: err})
	text, _, _ := r.disk.Decision(r.t.Context(), result.Decision)
	var record decision.Record
	if err := json.Unmarshal(text, &record); err != nil {
		r.t.Fatal(err)
	}
	return &record
}

// settle lets the learner do all it wants to.
func (r *room) settle() {
	<-time.After(5 * time.Second)
	synctest.Wait()
}

// counts are the labels by source.
func (r *room) counts(want map[string]int64) {
	r.t.Helper()
	r.settle()
	if got := r.learner.Report().Labels; !maps.Equal(got, want) {
		r.t.Errorf("got labels %v, want %v: %+v", got, want, r.disk.kept())
	}
}
