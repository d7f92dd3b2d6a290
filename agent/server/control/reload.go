package control

import (
	"context"
	"net/http"

	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// Reload reads config and policy again and puts them in force. Its error says
// what is wrong with them, with line and field; then nothing has changed.
type Reload func(context.Context) (*Reloaded, error)

// Reloaded is the answer to POST /v1/config/reload.
type Reloaded struct {
	Changed  []string `json:"changed"`  // settings that are in force now and were not before
	Targets  []string `json:"targets"`  // cloud targets that are new, changed or have another key
	Restart  []string `json:"restart"`  // settings that differ and wait for a restart
	Before   string   `json:"before"`   // policy, VERSION@first 8 hex of its digest
	After    string   `json:"after"`    // the same, from now on
	Warnings []string `json:"warnings"` // what works but may not be what was meant
}

func (s *Routes) reload(w http.ResponseWriter, r *http.Request) {
	if s.Reload == nil {
		replies.NotBuilt(w, r)
		return
	}
	done, err := s.Reload(r.Context())
	if err != nil {
		replies.Error(w, &fault.Error{
			Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "bad_config",
			Message: "What was in force stays in force:\n" + err.Error(),
		})
		return
	}
	replies.JSON(w, http.StatusOK, done)
}
