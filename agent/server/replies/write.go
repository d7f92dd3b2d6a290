package replies

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"nearside/agent/openai/fault"
)

// rest is how long what is left of a refused body is waited for.
const rest = time.Second

// Error answers with an error in the OpenAI shape. Only what is [later] gone may
// be tried again: everything else was tried here already, or cannot help.
func Error(w http.ResponseWriter, err error) {
	e := Of(err)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rest))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.Status == http.StatusTooManyRequests {
		wait := max(time.Second, e.RetryAfter)
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
		h.Set("retry-after-ms", strconv.FormatInt(wait.Milliseconds(), 10))
	}
	if !slices.Contains(later, e.Code) {
		h.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Body())
}

// Unbuilt is the error for what has a name and no code yet.
func Unbuilt(what string) *fault.Error {
	return &fault.Error{
		Status: http.StatusNotImplemented, Type: "not_implemented", Code: "not_implemented",
		Message: strings.TrimSpace(what) + " is not built yet.",
	}
}

// NotBuilt answers for routes that have a name and no code yet.
func NotBuilt(w http.ResponseWriter, r *http.Request) {
	Error(w, Unbuilt(r.Method+" "+r.URL.Path))
}

// JSON answers with a value and a line end behind it.
func JSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		Error(w, &fault.Error{Status: http.StatusInternalServerError, Type: "internal_error", Message: "The reply could not be encoded."})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// List answers with a list in the OpenAI shape.
func List(w http.ResponseWriter, entries any) {
	JSON(w, http.StatusOK, map[string]any{"object": "list", "data": entries})
}

// Text answers with one line.
func Text(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
