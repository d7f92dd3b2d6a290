package chat

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// A Failure is a refusal in the shape and words of OpenAI. On the wire it is the
// value of "error"; Status is the HTTP status it goes with.
type Failure struct {
	Status  int      `json:"-"`
	Message string   `json:"message"`
	Type    string   `json:"type"`
	Param   nullable `json:"param"`
	Code    nullable `json:"code"`
}

// A nullable is a string that is null in JSON when empty.
type nullable string

// MarshalJSON writes the string or null.
func (n nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}

// invalid is a 400 about one parameter.
func invalid(param, code, format string, args ...any) *Failure {
	return &Failure{
		Status:  http.StatusBadRequest,
		Message: fmt.Sprintf(format, args...),
		Type:    "invalid_request_error",
		Param:   nullable(param),
		Code:    nullable(code),
	}
}

// Rejected is a refusal of the call as a whole; an empty code is null on the wire.
func Rejected(status int, code, format string, args ...any) *Failure {
	e := invalid("", code, format, args...)
	e.Status = status
	return e
}

func serverFailure(status int, message string) *Failure {
	return &Failure{Status: status, Message: message, Type: "server_error"}
}

// FailureFor is what a real cloud says with a status from 400 to 599.
func FailureFor(status int) *Failure {
	switch status {
	case http.StatusUnauthorized:
		return Rejected(status, "invalid_api_key", "Incorrect API key provided.")
	case http.StatusForbidden:
		return Rejected(status, "unsupported_country_region_territory", "Country, region, or territory not supported")
	case http.StatusNotFound:
		return Rejected(status, "model_not_found", "The model does not exist or you do not have access to it.")
	case http.StatusTooManyRequests:
		e := Rejected(status, "rate_limit_exceeded", "Rate limit reached for requests per min. Please try again later.")
		e.Type = "requests"
		return e
	case http.StatusInternalServerError:
		return serverFailure(status, "The server had an error while processing your request. Sorry about that!")
	case http.StatusServiceUnavailable:
		return serverFailure(status, "The engine is currently overloaded, please try again later")
	}
	text := fmt.Sprintf("HTTP status %d %s", status, http.StatusText(status))
	if status >= http.StatusInternalServerError {
		return serverFailure(status, text)
	}
	return Rejected(status, "", "%s", text)
}
