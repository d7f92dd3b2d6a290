package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// History reads decision records back.
type History interface {
	Decision(ctx context.Context, id string) ([]byte, bool, error)
	Decisions(ctx context.Context, limit int, before string) ([][]byte, error)
}

// maxDecisions bounds one page of decisions.
const maxDecisions = 1000

func (s *Routes) decisions(w http.ResponseWriter, r *http.Request) {
	limit := 50
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxDecisions {
			replies.Error(w, fault.Invalid("limit", "limit is %.20q; it must be a whole number from 1 to %d.", v, maxDecisions))
			return
		}
		limit = n
	}
	list := []json.RawMessage{}
	if h := s.History(); h != nil {
		records, err := h.Decisions(r.Context(), limit, r.URL.Query().Get("before"))
		if err != nil {
			replies.Error(w, storeError())
			return
		}
		for _, rec := range records {
			list = append(list, rec)
		}
	}
	replies.List(w, list)
}

func (s *Routes) decision(w http.ResponseWriter, r *http.Request) {
	if h := s.History(); h != nil {
		rec, ok, err := h.Decision(r.Context(), r.PathValue("id"))
		if err != nil {
			replies.Error(w, storeError())
			return
		}
		if ok {
			replies.JSON(w, http.StatusOK, json.RawMessage(rec))
			return
		}
	}
	replies.Error(w, decisionNotFound("id"))
}

func decisionNotFound(param string) *fault.Error {
	return &fault.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "decision_not_found", Param: param,
		Message: "There is no decision with this id; it may have been dropped by age.",
	}
}

func storeError() *fault.Error {
	return &fault.Error{
		Status: http.StatusInternalServerError, Type: "store_error", Code: "store_error",
		Message: "The history cannot be read; see store in /v1/status.",
	}
}
