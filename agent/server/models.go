package server

import (
	"fmt"
	"net/http"
	"slices"

	"nearside/agent/openai/fault"
	"nearside/agent/server/replies"
)

// Model is one entry of GET /v1/models.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	replies.List(w, s.opts.Models())
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	all := s.opts.Models()
	i := slices.IndexFunc(all, func(m Model) bool { return m.ID == id })
	if i < 0 {
		replies.Error(w, &fault.Error{
			Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
			Message: fmt.Sprintf("The model %.80q does not exist; GET /v1/models lists those that do.", id),
		})
		return
	}
	replies.JSON(w, http.StatusOK, all[i])
}
