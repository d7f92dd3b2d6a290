package doctor

import (
	"context"
	"time"

	"nearside/agent/config"
	"nearside/agent/server/status"
	"nearside/local"
)

// Verdicts of a finding.
const (
	OK   = "ok"
	Warn = "warn" // works, and may not be what was meant
	Fail = "fail"
)

// Finding is what came of one check.
type Finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"` // ok, warn, fail
	Message string `json:"message"`
	Hint    string `json:"hint"` // what to do, "" when it is well
}

func ok(message string) Finding         { return Finding{Verdict: OK, Message: message} }
func warn(message, hint string) Finding { return Finding{Verdict: Warn, Message: message, Hint: hint} }
func fail(message, hint string) Finding { return Finding{Verdict: Fail, Message: message, Hint: hint} }

// Patient is what is to be examined.
type Patient struct {
	File    string         // of the config, for people
	Config  *config.Config // nil when it cannot be used
	Fault   error          // why config or policy cannot be used
	Gate    error          // why the gate of the config cannot be used
	Release string         // of this program
	Built   time.Time      // when this program was, at the earliest
	Now     time.Time
	Environ []string       // NAME=value
	Engine  local.Options  // as the daemon would run engines
	Daemon  *status.Status // nil when none answers; empty when one does and does not tell
	Silence error          // why there is no status
	Offline bool           // nothing is looked up or called beyond this device
}

// check is one part of an examination.
type check struct {
	name string
	run  func(context.Context, *Patient) []Finding
}

// Examine runs every check that can be run, one after the other. It tells doing
// the name of each before it begins, and found of each finding.
func Examine(ctx context.Context, p *Patient, doing func(name string), found func(Finding)) {
	all := []check{{"config", checkConfig}, {"daemon", checkDaemon}, {"clock", checkClock}, {"keys", checkOffers}}
	if p.Config != nil {
		all = append(all, []check{
			{"socket", checkSocket}, {"http", checkHTTP}, {"certificate", checkCertificates},
			{"state", checkState}, {"disk", checkDisk}, {"store", checkStore}, {"secrets", checkSecrets},
			{"model", checkModels}, {"memory", checkMemory}, {"engine", checkEngine}, {"gate", checkGate},
			{"network", checkLink}, {"dns", checkNames}, {"target", checkTargets}, {"remote", checkRemote},
		}...)
	}
	for _, c := range all {
		if ctx.Err() != nil {
			return
		}
		doing(c.name)
		for _, f := range c.run(ctx, p) {
			if f.Check == "" {
				f.Check = c.name
			}
			found(f)
		}
	}
}

// Failed counts the findings that must be mended.
func Failed(all []Finding) (n int) {
	for _, f := range all {
		if f.Verdict == Fail {
			n++
		}
	}
	return n
}

// checkConfig tells what is wrong with the config file and the policy.
func checkConfig(_ context.Context, p *Patient) []Finding {
	if p.Fault != nil {
		return []Finding{fail(p.Fault.Error(), "correct it; nearside config check shows when it is right. Most other checks need it")}
	}
	all := []Finding{ok(p.File + " can be used")}
	for _, w := range p.Config.Warnings() {
		all = append(all, warn(w.Message, w.Hint))
	}
	return all
}
