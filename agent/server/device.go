package server

import (
	"io"
	"net/http"

	"nearside/agent/server/signals"
	"nearside/agent/server/status"
)

const signalsPath = "/v1/device/signals"

// maxPush bounds what the host app says at once.
const maxPush = 64 << 10

// Device is what is sensed of the device, and what the host app says of it.
type Device interface {
	Signals() map[string]status.Signal // for GET /v1/device/signals
	Push(map[string]signals.Pushed)    // values are within their bounds
}

func (s *Server) signals(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.opts.Device.Signals())
}

// push takes all that a host app says, or nothing of it.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		writeError(w, wireError(bodyError(err)))
		return
	}
	values, err := signals.Parse(body)
	if err != nil {
		writeError(w, wireError(err))
		return
	}
	s.opts.Device.Push(values)
	s.signals(w, r)
}
