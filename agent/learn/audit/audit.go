package audit

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent"
	"nearside/agent/learn/agree"
	"nearside/agent/learn/label"
	"nearside/agent/openai"
	"nearside/policy"
)

// Facts are small things that outlast a power cut.
type Facts interface {
	Fact(ctx context.Context, name string) (value string, ok bool, err error)
	SetFact(ctx context.Context, name, value string) error
}

// Parts are what an auditor is made of. Facts may return nil while there are
// none.
type Parts struct {
	Cloud  agent.Answerer // nil: nothing is audited
	World  func() World
	Facts  func() Facts
	Random func() float64    // from 0 to below 1
	Now    func() time.Time  // of the clock on the wall
	Found  func(label.Label) // told what came of an audit; it must not wait
}

// Settings are what may change while an auditor runs, see [Auditor.Swap].
type Settings struct {
	Off   bool    // what is under way is ended
	Share float64 // of the answers taken as good that the cloud is asked again, 0 to 1
	Calls int     // a day, at most
	USD   float64 // a day, at most
}

// Auditor asks the cloud again. Its methods may be called from any goroutine.
// Make it with [New].
type Auditor struct {
	parts    Parts
	settings atomic.Pointer[Settings]
	picked   chan *picked // room for one: what is picked while one waits is not audited
	taken    atomic.Pointer[Purse]

	done, lapsed atomic.Int64 // calls that gave an answer, and those that gave none

	mu      sync.Mutex       // guards skipped
	skipped map[string]int64 // audits given up, by reason
}

// New makes an auditor with the settings that are in force.
func New(p Parts, s Settings) *Auditor {
	a := &Auditor{parts: p, picked: make(chan *picked, 1), skipped: map[string]int64{}}
	a.settings.Store(&s)
	return a
}

// Swap puts other settings in force.
func (a *Auditor) Swap(s Settings) { a.settings.Store(&s) }

// Report is what became of answers that were picked to be audited. It does not
// wait for the disk.
func (a *Auditor) Report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Report{Done: a.done.Load(), Failed: a.lapsed.Load(), Skipped: maps.Clone(a.skipped)}
	if p := a.taken.Load(); p != nil {
		r.Today = *p
	}
	return r
}

// Report is what became of audits. Counts that are not kept begin with the
// daemon.
type Report struct {
	Done    int64            `json:"done"`
	Failed  int64            `json:"failed"`  // calls that gave no answer, or were ended since they began to cost something
	Skipped map[string]int64 `json:"skipped"` // given up, by what was in the way
	Today   Purse            `json:"today"`   // what was taken of the day's budget, as last known
}

// Bounds of an audit.
const (
	mostTokens = 256              // of the cloud's answer, at most
	mostTime   = time.Minute      // for it
	mostWait   = 10 * time.Minute // that it waits until it costs nothing
	lookFree   = 15 * time.Second // between two looks whether it does
	lookStill  = time.Second      // between two looks whether it still does
)

// picked is an answer of the device that the cloud is to be asked again. It is
// forgotten, with its text, when that is done or given up.
type picked struct {
	label    label.Label // but for what comes of it
	question string
	said     string
	request  *openai.Request
	ask      policy.Ask
}

// Pick takes some of the answers that were taken as good, by chance alone. It
// never waits.
func (a *Auditor) Pick(s *agent.Lesson) {
	share := a.settings.Load().Share
	if share <= 0 || a.parts.Cloud == nil || a.parts.Random() >= share || !auditable(s) {
		return
	}
	p := &picked{question: s.Request.LastUser(), said: s.Said.Text(), request: s.Request.Plain(mostTokens), ask: *s.Ask}
	p.label = label.Of(s, label.FromAudit, label.Compared)
	p.label.Propensity = share
	p.ask.Size.TokensOut, p.ask.DeadlineMS = mostTokens, mostTime.Milliseconds()
	select {
	case a.picked <- p:
	default:
		a.skip("waiting")
	}
}

// auditable tells whether the cloud may be asked what the device answered, and
// whether that would tell anything: its caller left the way open, nothing
// forbids that the text leaves the device, and it is short enough to be
// compared.
func auditable(s *agent.Lesson) bool {
	a := s.Ask
	open := !s.Private && a.Mode == policy.Auto && a.Target == "" && !a.Cache.NoStore && !a.Cache.OnlyIfCached
	plain := a.Service == openai.Chat && !a.Needs.Tools && !a.Needs.Schema && !a.Needs.Vision && !s.Said.HasCalls()
	return open && plain && s.Sure != nil && s.Local.Model != "" && agree.Telling(s.Said.Text())
}

// Run performs audits, one at a time, until ctx ends. Call it once.
func (a *Auditor) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-a.picked:
			a.wait(ctx, p)
		}
	}
}

// wait performs an audit as soon as it costs nothing, or gives it up.
func (a *Auditor) wait(ctx context.Context, p *picked) {
	end := time.NewTimer(mostWait)
	defer end.Stop()
	look := time.NewTicker(lookFree)
	defer look.Stop()
	for {
		why := a.try(ctx, p)
		if why == "" {
			return
		}
		select {
		case <-look.C:
			continue
		case <-end.C:
		case <-ctx.Done():
		}
		a.skip(why)
		return
	}
}

// try performs an audit where nothing is in its way; else it says what is.
func (a *Auditor) try(ctx context.Context, p *picked) (why string) {
	set := a.settings.Load()
	if set.Off || set.Share <= 0 {
		return "" // switched off meanwhile
	}
	w := a.parts.World()
	if why := w.free(); why != "" {
		return why
	}
	if !w.idle() {
		return notIdle
	}
	spent, ok := a.purse(ctx)
	switch {
	case !ok:
		return notCounted
	case spent.Calls >= set.Calls || spent.USD >= set.USD && set.USD > 0:
		return noBudget
	}
	target, cost := w.auditor(p.ask, max(0, set.USD-spent.USD))
	if target == "" {
		return noTarget
	}
	if !a.spend(ctx, spent, cost) {
		return notCounted
	}
	a.perform(ctx, p, target)
	return ""
}

// perform asks the target and keeps what comes of it. It ends early when the
// call begins to cost something.
func (a *Auditor) perform(ctx context.Context, p *picked, target string) {
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.mind(ctx, cancel)
	}()
	reply, err := a.parts.Cloud.Chat(ctx, openai.Call{
		Request: p.request, ID: p.label.Decision + "-audit", Targets: []string{target}, Once: true, Hold: -1,
		Budget: mostTime, Attempt: mostTime, Silence: mostTime, Tried: func(openai.Attempt) {},
	})
	cancel()
	<-watched
	if err != nil {
		a.lapsed.Add(1)
		return
	}
	defer reply.Close()
	a.done.Add(1)
	same, known := agree.Same(p.question, p.said, reply.Answer.Text())
	if !known {
		return
	}
	p.label.Good = label.Good(same)
	a.parts.Found(p.label)
}

// mind cancels a call that began to cost something, or is not wanted any more,
// until ctx ends.
func (a *Auditor) mind(ctx context.Context, cancel func()) {
	look := time.NewTicker(lookStill)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if w := a.parts.World(); w.free() != "" || a.settings.Load().Off {
				cancel()
			}
		}
	}
}

// skip counts an audit that was given up.
func (a *Auditor) skip(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.skipped[why]++
}
