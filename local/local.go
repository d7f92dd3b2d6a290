package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/client"
	"nearside/agent/openai/completion"
	"nearside/agent/openai/fault"
	"nearside/agent/openai/rolling"
	"nearside/local/confidence"
)

// Local answers with the models on the device. Its methods may be called from
// any goroutine.
type Local struct {
	opts    Options
	targets map[string]*target // by local/NAME
	order   []*target
	server  *server // nil when children serve the models
}

// target is one model and what its calls were like.
type target struct {
	name    string // local/NAME
	model   Model
	engine  *engine // nil when a URL serves it
	server  *server // nil when a child serves it
	figures rolling.Figures
}

// New makes the models of the options answerable. Nothing runs before Run.
func New(o Options) *Local {
	l := &Local{opts: o, targets: map[string]*target{}}
	if o.URL != "" {
		l.server = newServer(o.URL)
	}
	for _, m := range o.Models {
		t := &target{name: "local/" + m.Name, model: m, server: l.server}
		if l.server == nil {
			t.engine = newEngine(&t.model, &l.opts)
		}
		l.targets[t.name] = t
		l.order = append(l.order, t)
	}
	return l
}

// Run keeps the engines until ctx ends. When it returns no child is left.
func (l *Local) Run(ctx context.Context) error {
	if l.server != nil {
		defer l.server.http.CloseIdleConnections()
	} else {
		sweep(l.opts.Dir)
	}
	var all sync.WaitGroup
	for _, t := range l.order {
		if t.engine != nil {
			all.Go(func() { t.engine.run(ctx) })
		}
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

// Chat asks the first target of the call. A request that was inside an engine
// when it crashed is asked once more, of the next life, unless something of
// its answer has been given out.
func (l *Local) Chat(ctx context.Context, call openai.Call) (*openai.Reply, error) {
	t := l.targets[call.Targets[0]]
	if t == nil {
		return nil, fault.ErrDown
	}
	end := time.Now().Add(call.Budget)
	reply, err := t.attempt(ctx, call, end)
	if errors.Is(err, errCrashed) && ctx.Err() == nil && time.Now().Before(end) {
		reply, err = t.attempt(ctx, call, end)
	}
	return reply, err
}

// errCrashed is an engine that went away while it held a request.
var errCrashed = errors.New("the engine went away while it answered")

// attempt is one try, timed and counted.
func (t *target) attempt(ctx context.Context, call openai.Call, end time.Time) (*openai.Reply, error) {
	start := time.Now()
	t.figures.Begin()
	reply, err := t.ask(ctx, call, end)
	took := time.Since(start)
	result := fault.Result(err)
	if errors.Is(err, errCrashed) {
		result = "crashed"
	}
	t.figures.End(took, err != nil, ctx.Err() == nil && ownFault(err, took))
	call.Tried(openai.Attempt{Target: "local/" + t.model.Name, Start: start, Took: took, Result: result, Err: err})
	return reply, err
}

// hurried is the time within which no answer says nothing of the model.
const hurried = 5 * time.Second

// ownFault tells whether the end of an attempt says something of the target:
// not a full queue, not a request it found wrong, not an answer that says
// nothing, not a caller in a hurry.
func ownFault(err error, took time.Duration) bool {
	var e *fault.Error
	switch {
	case errors.Is(err, fault.ErrBusy), errors.As(err, &e) && e.Status < 500:
		return false
	case errors.Is(err, fault.ErrTimeout):
		return took >= hurried
	}
	return true
}

// ask sends the request inside the budget. The budget holds until the reply
// has begun; the caller's ctx holds as long as the reply lives.
func (t *target) ask(ctx context.Context, call openai.Call, end time.Time) (*openai.Reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(time.Until(end), func() { cancel(fault.ErrTimeout) })
	way, err := t.way(ctx)
	if err != nil {
		cancel(err)
		return nil, err
	}
	finish := func() { late.Stop(); way.release(); cancel(nil) }
	reply, err := t.send(ctx, &way.client, call)
	if err != nil {
		err = way.fault(ctx, err)
		finish()
		return nil, err
	}
	if reply.Stream == nil {
		finish()
		t.figures.Counted(call.Request, reply)
		return reply, nil
	}
	reply.Stream.OnClose(func() {
		way.doubt(reply.Stream.Fault())
		finish()
		t.figures.Counted(call.Request, reply)
	})
	if !late.Stop() {
		reply.Close()
		return nil, fault.ErrTimeout
	}
	return reply, nil
}

// send posts the request and reads as much of a stream as is to be held.
func (t *target) send(ctx context.Context, asks *client.Client, call openai.Call) (*openai.Reply, error) {
	r := call.Request
	if r.Service != openai.Chat {
		return t.embed(ctx, asks, r)
	}
	body := t.model.body(r, t.engine != nil)
	shape := completion.Shape{Usage: r.IncludeUsage, Strip: !r.Logprobs, Silence: call.Silence}
	reply := &openai.Reply{Target: "local/" + t.model.Name, Ignored: ignored(r)}
	var err error
	if !r.Stream {
		reply.Answer, reply.Body, err = asks.Chat(ctx, body, shape)
		return reply, unlessEmpty(err)
	}
	reply.Stream, err = asks.ChatStream(ctx, body, shape)
	if err != nil {
		return nil, err
	}
	reply.Answer = reply.Stream.Answer
	if err := unlessEmpty(reply.Stream.Prime(call.Hold)); err != nil {
		reply.Close()
		return nil, err
	}
	return reply, nil
}

// unlessEmpty takes an empty answer as one: poor, but better than none when
// nothing better comes.
func unlessEmpty(err error) error {
	if errors.Is(err, fault.ErrEmpty) {
		return nil
	}
	return err
}

// Confidence makes Local an agent's scorer, see [confidence.Of].
func (l *Local) Confidence(question string, tokens []completion.Token) (float64, bool) {
	return confidence.Of(question, tokens)
}

// Status is one model as it stands.
type Status struct {
	Name     string // local/NAME
	Services []string
	Context  int
	Usable   bool
	Why      string
	External bool // served by a URL
	View
	rolling.Summary
}

// Status lists the models in the order of the config.
func (l *Local) Status() []Status {
	out := make([]Status, len(l.order))
	for i, t := range l.order {
		s := &out[i]
		s.Name, s.Services, s.Context = t.name, t.model.Services, t.model.Context
		s.External, s.Summary = t.server != nil, t.figures.Summary()
		if t.server != nil {
			s.View = t.server.view()
			s.Usable = s.State == Ready
		} else {
			s.View = *t.engine.view.Load()
			s.Usable = s.State != Quarantined && s.State != Broken && s.State != Short
		}
		s.Why = s.View.Why
	}
	return out
}

// Salt identifies what the models would answer: it changes with a model, its
// prompt or its sampling.
func (l *Local) Salt() string {
	var b strings.Builder
	for _, t := range l.order {
		m := &t.model
		fmt.Fprintf(&b, "%q %q %q %q %d %v %q\n", m.Name, m.SHA256, m.File, m.System, m.Context, m.Sampling, l.opts.URL)
	}
	return b.String()
}
