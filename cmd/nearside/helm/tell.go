package helm

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"nearside/agent/server/status"
	"nearside/cloud/report"
	"nearside/cloud/steer/news"
	"nearside/cloud/wire"
)

// How often is reported: what became of documents soon, the rest seldom, since
// each report costs its bytes.
const (
	soon      = 500 * time.Millisecond // so that what belongs together is one report
	atLeast   = 2 * time.Second        // between two reports
	seldom    = 5 * time.Minute        // between reports of what comes and goes
	untilSure = 24 * time.Hour         // without anything new
)

// told takes an event of those who decide: for the log, for those who watch the
// device, and for its operator. It never waits.
func (w *watch) told(e news.Event) {
	level := w.helm.o.Log.Info
	if e.Kind == news.RolledBack || e.Kind == news.Unusable || e.Kind == news.Unsaved || e.Kind == news.Lost {
		level = w.helm.o.Log.Warn
	}
	level("remote policy: "+e.Kind, "what", e.What, "version", e.Version, "digest", e.Digest[:min(8, len(e.Digest))], "reason", e.Reason, "detail", e.Detail, "from", e.From)
	w.helm.o.Device.Told("policy", e)
	if e.Kind == news.Floor || e.Kind == news.Lost {
		w.restored.Store(&e.Detail)
	}
	if news := report.Happened(e); news != nil {
		w.result.Store(news)
	}
	w.notice("policy", e)
}

// linkTold takes an event of the link to the brokers.
func (w *watch) linkTold(kind string, data map[string]any) {
	w.helm.o.Log.Info("remote: "+kind, "data", data)
	w.helm.o.Device.Told("remote", map[string]any{"event": kind, "data": data})
	w.notice(kind, data)
}

// notice has an event written down for the operator.
func (w *watch) notice(kind string, v any) {
	n := wire.Notice{ID: rand.Text(), At: w.helm.o.Now().UTC(), Kind: kind}
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &n.Data)
	}
	if err == nil {
		w.note("evt", "", false, n)
	}
}

// note has something written down for the operator. It never waits: what finds
// no room is counted, and lost.
func (w *watch) note(topic, key string, retain bool, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.lost.Add(1)
		return
	}
	select {
	case w.notes <- note{topic, key, retain, body}:
	default:
		w.lost.Add(1)
	}
}

// report says that there is something to report. It never waits.
func (w *watch) report(now bool) {
	select {
	case w.news <- now:
	case waiting := <-w.news:
		select {
		case w.news <- now || waiting:
		default: // another was quicker
		}
	}
}

// Seen takes a look at the status, made by who looks now and then: conditions
// that came or went are reported, seldom.
func (h *Helm) Seen(s *status.Status) {
	w := h.watch.Load()
	if w == nil {
		return
	}
	now := names(s.Health)
	if was := w.unwell.Load(); was == nil || *was != now {
		w.report(false)
	}
}

func names(list []status.Condition) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Name+":"+c.Severity)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// tell writes down what is to be told, until ctx ends.
func (w *watch) tell(ctx context.Context) error {
	timer := time.NewTimer(soon)
	defer timer.Stop()
	last, due, pace := time.Now().Add(-seldom), time.Now().Add(soon), pace{}
	for {
		select {
		case <-ctx.Done():
			w.last()
			return nil
		case n := <-w.notes:
			w.write(ctx, n)
		case now := <-w.news:
			next := last.Add(seldom)
			if now {
				next = pace.next(last)
			}
			if early := time.Now().Add(soon); next.Before(early) {
				next = early
			}
			if next.Before(due) {
				due = next
				timer.Reset(time.Until(due))
			}
		case <-timer.C:
			last, due = time.Now(), time.Now().Add(untilSure)
			pace.spend(last)
			timer.Reset(untilSure)
			w.write(ctx, w.described())
		}
	}
}

// pace bounds reports that are wanted soon: some come [atLeast] after one
// another, and where they go on, such as while a broker brings what is refused,
// one in [later]. The zero value had none.
type pace struct{ full time.Time }

const (
	later = time.Minute
	burst = 16
)

// next is when one may follow the last.
func (p *pace) next(last time.Time) time.Time {
	at := last.Add(atLeast)
	if free := p.full.Add(-(burst - 1) * later); free.After(at) {
		return free
	}
	return at
}

// spend counts one.
func (p *pace) spend(at time.Time) {
	if p.full.Before(at) {
		p.full = at
	}
	p.full = p.full.Add(later)
}

// last writes down what waits, as the watch ends: a little time is left for it.
func (w *watch) last() {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case n := <-w.notes:
			w.write(ctx, n)
		default:
			return
		}
	}
}

// write puts a note into the outbox, and has the link look.
func (w *watch) write(ctx context.Context, n note) {
	if w.out == nil {
		return
	}
	if err := w.out.add(ctx, n); err != nil {
		w.lost.Add(1)
		w.helm.o.Log.Warn("a note to the operator is lost", "topic", n.topic, "err", err)
		return
	}
	if w.link != nil {
		w.link.Wake()
	}
}
