package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"nearside/agent/learn"
	"nearside/agent/openai/fault"
	"nearside/agent/server/callers"
	"nearside/agent/server/replies"
)

const feedbackPath = "/v1/feedback"

// Bounds of a verdict.
const (
	maxVerdict  = 256 << 10 // the body
	maxCorrect  = 64 << 10  // bytes of the corrected answer
	maxDecision = 64        // bytes of an id
)

// feedback takes what a caller says of an answer it was given; one that may
// see and steer the daemon judges those of all.
func (s *Routes) feedback(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxVerdict))
	if err != nil {
		replies.Error(w, replies.OfBody(err))
		return
	}
	v, err := parseVerdict(body)
	if err != nil {
		replies.Error(w, err)
		return
	}
	if !s.Callers.May(r, callers.Control) {
		v.Caller = callers.LineOf(r).Name()
	}
	taken, err := s.Learner.Feedback(r.Context(), v)
	if err != nil {
		replies.Error(w, verdictError(err))
		return
	}
	replies.JSON(w, http.StatusOK, taken)
}

// parseVerdict reads {"decision":ID,"verdict":"good"|"bad","correct":"..."}. The
// corrected answer is held to its bounds and goes no further: no text of an
// answer is kept.
func parseVerdict(body []byte) (learn.Verdict, error) {
	var said struct {
		Decision string  `json:"decision"`
		Verdict  string  `json:"verdict"`
		Correct  *string `json:"correct"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&said)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return learn.Verdict{}, fault.Invalid(wrong.Field, "%s must be a string.", wrong.Field)
	case err != nil || d.More() || !utf8.Valid(body):
		return learn.Verdict{}, fault.Invalid("", `The body must be a JSON object such as {"decision":"d...","verdict":"bad","correct":"..."}, with no other fields.`)
	case said.Decision == "" || len(said.Decision) > maxDecision:
		return learn.Verdict{}, fault.Invalid("decision", "decision must be an id as in x-nearside-decision, of at most %d characters.", maxDecision)
	case said.Verdict != "good" && said.Verdict != "bad":
		return learn.Verdict{}, fault.Invalid("verdict", "verdict is %.20q; it must be good or bad.", said.Verdict)
	case said.Correct != nil && (*said.Correct == "" || len(*said.Correct) > maxCorrect):
		return learn.Verdict{}, fault.Invalid("correct", "correct must be a text of 1 to %d bytes; leave it out when there is none.", maxCorrect)
	case said.Correct != nil && said.Verdict == "good":
		return learn.Verdict{}, fault.Invalid("correct", "correct goes with the verdict bad; a good answer needs none.")
	}
	return learn.Verdict{Decision: said.Decision, Good: said.Verdict == "good"}, nil
}

// verdictError says why a verdict was not taken.
func verdictError(err error) *fault.Error {
	switch {
	case errors.Is(err, learn.ErrDecision):
		return decisionNotFound("decision")
	case errors.Is(err, learn.ErrNoAnswer):
		return fault.Invalid("decision", "%s", replies.Sentence(err))
	}
	return &fault.Error{
		Status: http.StatusServiceUnavailable, Type: "store_error", Code: "store_error",
		Message: "The verdict could not be kept; see store in /v1/status, and send it again later.",
	}
}
