package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nearside/agent/server/status"
)

// ErrAbsent is a daemon that is not there, which is no fault of the set-up.
var ErrAbsent = errors.New("no daemon answers")

// checkDaemon tells whether a daemon runs, and what it says of itself.
func checkDaemon(_ context.Context, p *Patient) []Finding {
	switch {
	case errors.Is(p.Silence, ErrAbsent):
		return []Finding{warn(p.Silence.Error(), "start one with: nearside serve")}
	case p.Silence != nil && p.Daemon != nil:
		return []Finding{warn(p.Silence.Error(), "run doctor as a user who may see the daemon's status, so that it is in this list")}
	case p.Silence != nil:
		return []Finding{fail(p.Silence.Error(), "look at its log, or stop it and start it again")}
	}
	s := p.Daemon
	up := time.Duration(s.UptimeS) * time.Second
	all := []Finding{ok(fmt.Sprintf("version %s, up %v", s.Version, up))}
	if s.Version != p.Release {
		all[0] = warn(fmt.Sprintf("the daemon is version %s and this program %s", s.Version, p.Release), "restart the daemon")
	}
	for _, c := range s.Health {
		all = append(all, heard(c))
	}
	return all
}

// heard is a condition of the daemon's as a finding.
func heard(c status.Condition) Finding {
	f := Finding{Check: "daemon." + c.Name, Verdict: c.Severity, Message: c.Message, Hint: c.Hint}
	if c.Severity == "info" {
		f.Verdict = OK
	}
	return f
}

// checkClock compares the clock with what is known of time: this program was
// built before now, and not an age ago.
func checkClock(_ context.Context, p *Patient) []Finding {
	const age = 15 * 365 * 24 * time.Hour
	const hint = "set the clock (timedatectl set-ntp true); with a wrong one certificates are refused and kept answers have no age"
	now := p.Now.UTC().Format(time.DateTime)
	switch {
	case p.Now.Before(p.Built):
		return []Finding{fail("the clock says "+now+", which is before this program was built ("+p.Built.UTC().Format(time.DateOnly)+")", hint)}
	case p.Now.Sub(p.Built) > age:
		return []Finding{fail("the clock says "+now+", which is far in the future", hint)}
	}
	return []Finding{ok("it says " + now + " UTC")}
}

// offer is a provider whose key some people have in their environment.
type offer struct{ variable, name, base string }

// offers speak the OpenAI wire. None is ever used unless it is configured.
var offers = []offer{
	{"OPENAI_API_KEY", "openai", "https://api.openai.com/v1"},
	{"OPENROUTER_API_KEY", "openrouter", "https://openrouter.ai/api/v1"},
	{"MISTRAL_API_KEY", "mistral", "https://api.mistral.ai/v1"},
	{"GROQ_API_KEY", "groq", "https://api.groq.com/openai/v1"},
	{"DEEPSEEK_API_KEY", "deepseek", "https://api.deepseek.com/v1"},
	{"TOGETHER_API_KEY", "together", "https://api.together.xyz/v1"},
	{"XAI_API_KEY", "xai", "https://api.x.ai/v1"},
	{"GEMINI_API_KEY", "gemini", "https://generativelanguage.googleapis.com/v1beta/openai"},
	{"ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com/v1"},
}

// checkOffers names keys in the environment that no target uses.
func checkOffers(_ context.Context, p *Patient) []Finding {
	used := map[string]bool{}
	if p.Config != nil {
		for _, t := range p.Config.Cloud.Targets {
			used[t.Key.Env] = true
		}
	}
	var all []Finding
	for _, o := range offers {
		if used[o.variable] || !isSet(p.Environ, o.variable) {
			continue
		}
		f := ok(o.variable + " is set, no target uses it, and it is used for nothing")
		f.Hint = fmt.Sprintf("to use it, add under cloud.targets: {name: %s, kind: openai, base_url: %q, key: {env: %s}, models: {chat: MODEL}}", o.name, o.base, o.variable)
		all = append(all, f)
	}
	return all
}

func isSet(environ []string, name string) bool {
	for _, e := range environ {
		if n, value, _ := strings.Cut(e, "="); n == name && value != "" {
			return true
		}
	}
	return false
}
