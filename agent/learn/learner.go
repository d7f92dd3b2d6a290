package learn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"nearside/agent"
	"nearside/agent/learn/audit"
	"nearside/agent/learn/label"
	"nearside/agent/learn/standing"
	"nearside/policy/calib"
)

// ErrKept says that what was to be kept or read could not be.
var ErrKept = errors.New("what was found out about answers cannot be kept")

// Parts are what a learner is made of. Shelf, Facts and History may return nil
// while there is none.
type Parts struct {
	Shelf   func() Shelf
	Facts   func() Facts
	History func() History
	Models  func(ctx context.Context) map[string]calib.Model // local targets whose models are identified
	Prior   func(calib.Model) (*standing.Before, error)      // what was measured of a model before, nil when nothing; the error tells why it cannot be used
	Now     func() time.Time                                 // of the clock on the wall; nil is time.Now
	Changed func()                                           // called when [Learner.Report] has news; it must not block
	Beside  func() (done func())                             // told when tables may be fitted, until it is done; nil is none
	Log     *slog.Logger

	// For audits; without Cloud there are none.
	Cloud  agent.Answerer
	World  func() audit.World
	Random func() float64 // from 0 to below 1
}

// Settings are what may change while a learner runs, see [Learner.Swap].
type Settings struct {
	Off bool // nothing is found out and nothing is kept; what was measured before is in force

	AuditShare float64 // of the answers taken as good that the cloud is asked again, 0 to 1
	AuditCalls int     // a day, at most
	AuditUSD   float64 // a day, at most
}

// audits are those of the auditor.
func (s *Settings) audits() audit.Settings {
	return audit.Settings{Off: s.Off, Share: s.AuditShare, Calls: s.AuditCalls, USD: s.AuditUSD}
}

// How labels go to the shelf.
const (
	waiting = 256             // labels that may wait for it; more are dropped and counted
	batch   = 64              // that go at once
	gather  = 2 * time.Second // that the first waits for others
	think   = time.Minute     // between two looks at whether models are known

	patience = time.Second  // that asks wait at the start for what is known
	retry    = patience / 4 // between two tries to look it up
)

// Learner keeps what is found out about answers, and what follows from it. Its
// methods may be called from any goroutine. Make it with [New].
type Learner struct {
	parts    Parts
	settings atomic.Pointer[Settings]
	known    atomic.Pointer[standing.Tables] // changed by Run only
	found    chan label.Label
	audits   *audit.Auditor
	begun    chan struct{} // closed when what is known was looked up once
	kick     chan struct{} // there is something to think about; room for one
	tally    tally
	counts   atomic.Pointer[map[string]int64] // labels kept, by source; nil is not known

	mu      sync.Mutex              // guards all below
	fresh   map[string]int          // labels since the last fit, by target
	watched map[string]*calib.Drift // by target and what is watched of it
	spreads map[spreadOf]*standing.Spread
	alarms  map[string]string // by target: what drifted, until Run has looked
	recent  recent
}

// tally counts what the learner did since it was made.
type tally struct{ dropped, failed, refits, alarms atomic.Int64 }

// New makes a learner with the settings that are in force. It knows nothing
// until it runs.
func New(p Parts, s Settings) *Learner {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Beside == nil {
		p.Beside = func() func() { return func() {} }
	}
	l := &Learner{
		parts: p, found: make(chan label.Label, waiting), begun: make(chan struct{}), kick: make(chan struct{}, 1),
		fresh: map[string]int{}, watched: map[string]*calib.Drift{}, spreads: map[spreadOf]*standing.Spread{}, alarms: map[string]string{},
	}
	l.audits = audit.New(audit.Parts{
		Cloud: p.Cloud, World: p.World, Random: p.Random, Now: p.Now, Found: l.audited, Facts: func() audit.Facts { return p.Facts() },
	}, s.audits())
	l.known.Store(&standing.Tables{})
	l.settings.Store(&s)
	return l
}

// Swap puts other settings in force, and has all tables made again: what was
// measured before may be another now.
func (l *Learner) Swap(s Settings) {
	l.settings.Store(&s)
	l.audits.Swap(s.audits())
	l.mu.Lock()
	if s.Off {
		l.recent = recent{}
	}
	for target := range l.known.Load().Of {
		l.fresh[target] = freshLabels
	}
	l.mu.Unlock()
	l.nudge()
}

// Calibration is what is in force, for an agent.
func (l *Learner) Calibration() agent.Calibration {
	select {
	case <-l.begun:
		return l.known.Load()
	default:
		return early{l}
	}
}

// nudge has Run think soon. It never waits.
func (l *Learner) nudge() {
	select {
	case l.kick <- struct{}{}:
	default: // it will
	}
}

// Run keeps labels, fits tables and audits until ctx ends; then it keeps what
// waits. Call it once.
func (l *Learner) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { l.audits.Run(ctx) })
	defer all.Wait()
	tick := time.NewTicker(retry)
	defer tick.Stop()
	var found chan label.Label // nil until there is a shelf: what is found before waits for it
	for {
		if known := l.think(ctx); known && found == nil {
			found = l.found
			close(l.begun)
			tick.Reset(think)
		}
		select {
		case <-ctx.Done():
			l.keep(context.WithoutCancel(ctx), l.rest(nil))
			return nil
		case first := <-found:
			l.keep(context.WithoutCancel(ctx), l.more(ctx, first))
		case <-tick.C:
		case <-l.kick:
		}
	}
}

// more gathers labels behind the first.
func (l *Learner) more(ctx context.Context, first label.Label) []label.Label {
	end := time.NewTimer(gather)
	defer end.Stop()
	all := []label.Label{first}
	for len(all) < batch {
		select {
		case next := <-l.found:
			all = append(all, next)
		case <-end.C:
			return all
		case <-ctx.Done():
			return l.rest(all)
		}
	}
	return all
}

// rest adds what waits.
func (l *Learner) rest(all []label.Label) []label.Label {
	for {
		select {
		case next := <-l.found:
			all = append(all, next)
		default:
			return all
		}
	}
}

// keep puts labels on the shelf. What cannot be kept is given up and counted:
// the answers are long given.
func (l *Learner) keep(ctx context.Context, all []label.Label) {
	if len(all) == 0 || l.settings.Load().Off {
		return
	}
	if _, err := l.put(ctx, all...); err != nil {
		l.tally.failed.Add(int64(len(all)))
	}
}

// note counts labels that a table has not seen yet.
func (l *Learner) note(labels []label.Label) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range labels {
		x := &labels[i]
		if x.Score == nil || x.Model == "" {
			continue
		}
		if l.fresh[x.Target]++; l.fresh[x.Target] == freshLabels {
			l.nudge()
		}
	}
}
