package server

import (
	"encoding/json"
	"errors"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
	"nearside/agent/schema"
)

// answerCheck is what a response_format holds answers to, nil where it asks for
// text. The request was decoded, so that the format has the right shape.
func answerCheck(r *openai.Request) (func(answer []byte) error, error) {
	if !r.Schema {
		return nil, nil
	}
	var f struct {
		Type   string
		Wanted struct{ Schema json.RawMessage } `json:"json_schema"`
	}
	_ = json.Unmarshal(r.Field("response_format"), &f)
	if f.Type != "json_schema" || len(f.Wanted.Schema) == 0 {
		return anyObject, nil
	}
	s, err := schema.CompileLoosely(f.Wanted.Schema)
	if err != nil {
		const name = "response_format.json_schema.schema"
		return nil, fault.Invalid(name, "%s %v.", name, err)
	}
	return s.Check, nil
}

func anyObject(answer []byte) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(answer, &object) != nil || object == nil {
		return errors.New("is no JSON object")
	}
	return nil
}
