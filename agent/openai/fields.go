package openai

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"nearside/agent/openai/fault"
	"nearside/agent/openai/inplace"
)

// field is a member of the body as the caller sent it.
type field struct {
	name  string
	known known
	value json.RawMessage
}

// known is one of the fields that are read here, or several; 0 is none.
type known uint32

// The fields that are read here. The first of them are numbers and in the order
// of bounds.
const (
	knownTemperature known = 1 << iota
	knownTopP
	knownPresence
	knownFrequency
	knownMaxTokens
	knownMaxCompletion
	knownTopLogprobs
	knownN
	knownSeed
	knownModel
	knownMessages
	knownStop
	knownLogprobs
	knownStream
	knownStreamOptions
	knownTools
	knownToolChoice
	knownFormat

	knownNumbers = knownSeed<<1 - 1
)

// know is the field of a name, and the name.
func know(name []byte) (known, string) {
	switch string(name) {
	case "model":
		return knownModel, "model"
	case "messages":
		return knownMessages, "messages"
	case "stream":
		return knownStream, "stream"
	case "stream_options":
		return knownStreamOptions, "stream_options"
	case "temperature":
		return knownTemperature, "temperature"
	case "top_p":
		return knownTopP, "top_p"
	case "presence_penalty":
		return knownPresence, "presence_penalty"
	case "frequency_penalty":
		return knownFrequency, "frequency_penalty"
	case "max_tokens":
		return knownMaxTokens, "max_tokens"
	case "max_completion_tokens":
		return knownMaxCompletion, "max_completion_tokens"
	case "logprobs":
		return knownLogprobs, "logprobs"
	case "top_logprobs":
		return knownTopLogprobs, "top_logprobs"
	case "n":
		return knownN, "n"
	case "seed":
		return knownSeed, "seed"
	case "stop":
		return knownStop, "stop"
	case "tools":
		return knownTools, "tools"
	case "tool_choice":
		return knownToolChoice, "tool_choice"
	case "response_format":
		return knownFormat, "response_format"
	}
	return 0, string(name)
}

// newRequest is a request with the fields of a body, not checked yet.
func newRequest(service string, body []byte) (*Request, error) {
	r := &Request{Service: service, Size: len(body)}
	r.fields = r.room.fields[:0]
	return r, r.readBody(body)
}

// readBody reads the fields of a body, and messages where it is for chat. Of
// two with one name the last counts, and null is as good as absent.
func (r *Request) readBody(body []byte) error {
	in := inplace.Read(body)
	object, n, odd := in.Object(), 0, false
	for ; object && in.Member(); n++ {
		if n >= maxEntries {
			continue // it is refused
		}
		f := field{}
		f.known, f.name = know(in.Name)
		if f.known == knownMessages && r.Service == Chat {
			f.value = r.readTurns(&in)
		} else {
			f.value = in.Value()
		}
		odd = odd || r.has&f.known != 0 || string(f.value) == "null"
		r.has |= f.known
		r.fields = append(r.fields, f)
	}
	done := in.Done()
	switch {
	case (in.Wide || !done) && !utf8.Valid(body):
		return fault.Invalid("", "The body is not valid UTF-8.")
	case !done:
		return badJSON(body, json.Unmarshal(body, new(any)))
	case !object:
		return fault.Invalid("", "The body must be a JSON object.")
	case n > maxEntries:
		return tooManyOf("body", n)
	}
	if odd || repeats(r.fields) {
		r.tidy()
	}
	return nil
}

// repeats tells whether two fields that are not read here may have one name:
// few are compared, many are taken to.
func repeats(all []field) bool {
	if len(all) > 24 {
		return true
	}
	for i := range all {
		for k := range i {
			if all[i].known == 0 && all[k].name == all[i].name {
				return true
			}
		}
	}
	return false
}

// tidy leaves of all fields the last ones of their name that are not null.
func (r *Request) tidy() {
	last := make(map[string]int, len(r.fields))
	for i, f := range r.fields {
		last[f.name] = i
	}
	kept := r.fields[:0]
	r.has = 0
	for i, f := range r.fields {
		if last[f.name] == i && string(f.value) != "null" {
			kept = append(kept, f)
			r.has |= f.known
		}
	}
	r.fields = kept
}

// get is one of the fields that are read here, nil when absent.
func (r *Request) get(one known) json.RawMessage {
	if r.has&one == 0 {
		return nil
	}
	return r.fields[slices.IndexFunc(r.fields, func(f field) bool { return f.known == one })].value
}

// readTurns reads the messages where they stand in the body. What is wrong with
// them is said by readMessages.
func (r *Request) readTurns(in *inplace.Reader) json.RawMessage {
	r.Messages, r.strange = r.room.turns[:0], false
	from, wrong := in.At(), false
	if !in.List() {
		return in.Value()
	}
	for in.Element() {
		m, ok := readTurn(in)
		r.strange = r.strange || !ok
		if !wrong && len(r.Messages) <= maxEntries { // more are refused
			r.Messages = append(r.Messages, m)
		}
		wrong = wrong || !ok || !slices.Contains(roles, m.Role) // it is refused: no room for those behind it
	}
	return in.Since(from)
}

// readTurn reads one message; ok is false when it, or a name in it, is not of
// the right kind.
func readTurn(in *inplace.Reader) (m Message, ok bool) {
	if !in.Object() {
		return m, string(in.Value()) == "null" // it says nothing, which is found out later
	}
	ok = true
	for in.Member() {
		switch string(in.Name) {
		case "content":
			m.Content = in.Value()
		case "tool_calls":
			m.Calls = in.Value()
		case "role":
			m.Role, ok = readName(in, ok)
		case "name":
			m.Name, ok = readName(in, ok)
		case "tool_call_id":
			m.CallID, ok = readName(in, ok)
		}
	}
	return m, ok
}

// readName reads a name. It is not ok when it is of another kind than a string:
// null is none.
func readName(in *inplace.Reader, was bool) (name string, ok bool) {
	raw := in.Value()
	return inplace.String(raw), was && (inplace.First(raw) == '"' || inplace.First(raw) == 'n')
}
