package agent

import (
	"fmt"
	"strings"

	"nearside/agent/openai"
	"nearside/agent/openai/embed"
	"nearside/agent/task"
	"nearside/policy"
)

// tokensOut is how long an answer is taken to be when the caller set no limit.
const tokensOut = 512

// classify turns a request into the features a decision needs. The question is
// what [asked] found in it. Where the request cannot be served, the ask holds what
// is known of it.
func (s *Settings) classify(in *Input, question string, signals *policy.Signals, ask *policy.Ask) error {
	r := in.Request
	*ask = policy.Ask{
		Caller: in.Caller, Service: r.Service, Model: r.Model, Mode: policy.Auto, Privacy: policy.Normal,
		Task: task.Of(r, question), Stream: r.Stream, Cache: in.Cache, MaxCost: in.MaxCost,
		Size:       size(r),
		Needs:      policy.Needs{Tools: r.Tools, Schema: r.Schema, Vision: r.HasParts()},
		Repeatable: s.repeatable(r), Default: s.Services[r.Service].Default != nil,
		DeadlineMS: s.Policy.Doc.Deadline(r.Service),
	}
	if in.Deadline > 0 {
		ask.DeadlineMS = max(1, in.Deadline.Milliseconds())
	}
	if in.Privacy == policy.Private || r.Model == policy.Private {
		ask.Privacy = policy.Private
	}
	if err := s.known(r, signals); err != nil {
		return err
	}
	s.scope(question, signals, ask)
	return route(ask, in.Mode, signals)
}

// repeatable tells whether the same ask gives the same answer: embeddings do, a
// JSON API where its operator said for how long, chat at temperature 0.
func (s *Settings) repeatable(r *openai.Request) bool {
	switch r.Service {
	case openai.Chat:
		return r.Temperature != nil && *r.Temperature == 0
	case embed.Service:
		return true
	}
	keep := s.Services[r.Service].Keep
	return keep != nil && keep.Fresh > 0
}

// route reads mode and target from the model name and the mode header: mode
// beats an alias, but not a target called by its name.
func route(ask *policy.Ask, mode string, signals *policy.Signals) error {
	switch ask.Model {
	case policy.Auto, policy.Private:
	case policy.Local, policy.Cloud:
		ask.Mode = ask.Model
	default:
		if err := target(ask, signals); err != nil {
			return err
		}
	}
	if mode == "" || mode == policy.Auto {
		return nil
	}
	if ask.Target != "" && !strings.HasPrefix(ask.Target, mode+"/") {
		return fmt.Errorf("%w: mode is %s, model is %s", ErrConflict, mode, ask.Target)
	}
	ask.Mode = mode
	return nil
}

func target(ask *policy.Ask, signals *policy.Signals) error {
	for i := range signals.Targets {
		t := &signals.Targets[i]
		if t.Name == ask.Model {
			ask.Target = t.Name
			ask.Mode, _, _ = strings.Cut(t.Name, "/")
			return nil
		}
	}
	names := []string{policy.Auto, policy.Local, policy.Cloud, policy.Private}
	for _, t := range signals.Targets {
		names = append(names, t.Name)
	}
	return fmt.Errorf("%w: %q is not one of %s", ErrModel, ask.Model, strings.Join(names, ", "))
}

// size estimates tokens at four bytes each and a few for every turn's frame.
func size(r *openai.Request) policy.Size {
	if r.Service != openai.Chat {
		return policy.Size{Bytes: r.Size, TokensEst: r.Size / 4}
	}
	s := policy.Size{Bytes: r.Size, TokensEst: len(r.Field("tools")) / 4, TokensOut: tokensOut}
	for i := range r.Messages {
		s.TokensEst += 4 + (len(r.Messages[i].Content)+3)/4
	}
	if r.MaxTokens > 0 {
		s.TokensOut = r.MaxTokens
	}
	return s
}
