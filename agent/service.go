package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
	"nearside/agent/openai/fault"
	"nearside/policy"
)

// known checks that there is such a service, and that the request is as it
// wants it.
func (s *Settings) known(r *openai.Request, signals *policy.Signals) error {
	if r.Service == openai.Chat || r.Service == embed.Service {
		return nil
	}
	names := s.names(signals)
	if !slices.Contains(names, r.Service) {
		if len(names) == 0 {
			return fmt.Errorf("%w: %.64q; there is none, since no target has kind http", ErrService, r.Service)
		}
		return fmt.Errorf("%w: %.64q is not one of %s", ErrService, r.Service, strings.Join(names, ", "))
	}
	if check := s.Services[r.Service].Request; check != nil {
		if err := check(r.Field("body")); err != nil {
			return fault.Invalid("body", "The body does not fit the schema of %s: %v.", r.Service, err)
		}
	}
	return nil
}

// names are what JSON APIs go by.
func (s *Settings) names(signals *policy.Signals) []string {
	names := slices.Collect(maps.Keys(s.Services))
	for _, t := range signals.Targets {
		names = append(names, t.Services...)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == openai.Chat || n == embed.Service })
	slices.Sort(names)
	return slices.Compact(names)
}

// keep is how long answers of the service are kept.
func (w *walk) keep() Keep {
	if k := w.Services[w.ask.Service].Keep; k != nil {
		return *k
	}
	return w.Settings.Keep
}

// fallback gives the reply the service has for when nothing answers.
func (w *walk) fallback(step *policy.Step) bool {
	r := &w.result
	r.Body = w.Services[w.ask.Service].Default
	if r.Body == nil {
		return false
	}
	r.Route, r.Degraded = step.Kind, true
	if r.Reason == "" {
		r.Reason = step.Reason
	}
	return true
}
