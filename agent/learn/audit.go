package learn

import (
	"context"
	"time"

	"nearside/agent"
	"nearside/agent/openai"
	"nearside/policy"
)

// Bounds of an audit.
const (
	auditTokens = 256              // of the cloud's answer, at most
	auditTime   = time.Minute      // for it
	auditHold   = 10 * time.Minute // that it waits until it costs nothing
	auditPause  = 15 * time.Second // between two looks whether it does
	auditWatch  = time.Second      // between two looks whether it still does
)

// audit is an answer of the device that the cloud is to be asked again. It is
// forgotten, with its text, when that is done or given up.
type audit struct {
	label    Label // but for what comes of it
	question string
	said     string
	request  *openai.Request
	ask      policy.Ask
}

// mayAudit picks some of the answers that were taken as good, by chance alone.
func (l *Learner) mayAudit(s *agent.Lesson) {
	share := l.settings.Load().AuditShare
	if share <= 0 || l.parts.Cloud == nil || l.parts.Random() >= share || !auditable(s) {
		return
	}
	a := &audit{question: s.Request.LastUser(), said: s.Said.Text(), request: s.Request.Plain(auditTokens), ask: *s.Ask}
	a.label = labelOf(s, FromAudit, comparedWeight)
	a.label.Propensity = share
	a.ask.Size.TokensOut, a.ask.DeadlineMS = auditTokens, auditTime.Milliseconds()
	select {
	case l.audits <- a:
	default:
		l.skip("waiting")
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
	return open && plain && s.Sure != nil && s.Local.Model != "" && telling(s.Said.Text())
}

// telling tells whether [Agree] can say anything of an answer.
func telling(said string) bool {
	if len(said) > longest {
		return false
	}
	n := len(distinct(without(words(said), empty)))
	return n > 0 && n <= short
}

// auditing performs audits, one at a time, until ctx ends.
func (l *Learner) auditing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-l.audits:
			l.wait(ctx, a)
		}
	}
}

// wait performs an audit as soon as it costs nothing, or gives it up.
func (l *Learner) wait(ctx context.Context, a *audit) {
	end := time.NewTimer(auditHold)
	defer end.Stop()
	look := time.NewTicker(auditPause)
	defer look.Stop()
	for {
		why := l.try(ctx, a)
		if why == "" {
			return
		}
		select {
		case <-look.C:
			continue
		case <-end.C:
		case <-ctx.Done():
		}
		l.skip(why)
		return
	}
}

// try performs an audit where nothing is in its way; else it says what is.
func (l *Learner) try(ctx context.Context, a *audit) (why string) {
	set := l.settings.Load()
	if set.Off || set.AuditShare <= 0 {
		return "" // switched off meanwhile
	}
	w := l.parts.World()
	if why := w.free(); why != "" {
		return why
	}
	if !w.idle() {
		return notIdle
	}
	p, ok := l.purse(ctx)
	switch {
	case !ok:
		return notCounted
	case p.Calls >= set.AuditCalls || p.USD >= set.AuditUSD && set.AuditUSD > 0:
		return noBudget
	}
	target, cost := w.auditor(a.ask, max(0, set.AuditUSD-p.USD))
	if target == "" {
		return noTarget
	}
	if !l.spend(ctx, p, cost) {
		return notCounted
	}
	l.perform(ctx, a, target)
	return ""
}

// perform asks the target and keeps what comes of it. It ends early when the
// call begins to cost something.
func (l *Learner) perform(ctx context.Context, a *audit, target string) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		l.mind(ctx, cancel)
	}()
	reply, err := l.parts.Cloud.Chat(ctx, openai.Call{
		Request: a.request, ID: a.label.Decision + "-audit", Targets: []string{target}, Once: true, Hold: -1,
		Budget: auditTime, Attempt: auditTime, Silence: auditTime, Tried: func(openai.Attempt) {},
	})
	cancel()
	<-watched
	if err != nil {
		l.tally.lapsed.Add(1)
		return
	}
	defer reply.Close()
	l.tally.audits.Add(1)
	same, known := Agree(a.question, a.said, reply.Answer.Text())
	if !known {
		return
	}
	a.label.Good = oneIf(same)
	l.watch(a.label.Target, ofAudits, 1-a.label.Good)
	l.offer(a.label)
}

// mind cancels a call that began to cost something, or is not wanted any more,
// until ctx ends.
func (l *Learner) mind(ctx context.Context, cancel func()) {
	look := time.NewTicker(auditWatch)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if w := l.parts.World(); w.free() != "" || l.settings.Load().Off {
				cancel()
			}
		}
	}
}

// skip counts an audit that was given up.
func (l *Learner) skip(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped[why]++
}
