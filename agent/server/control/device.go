package control

import (
	"io"
	"net/http"

	"nearside/agent/server/replies"
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

func (s *Routes) signals(w http.ResponseWriter, _ *http.Request) {
	replies.JSON(w, http.StatusOK, s.Device.Signals())
}

// push takes all that a host app says, or nothing of it.
func (s *Routes) push(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if err != nil {
		replies.Error(w, replies.OfBody(err))
		return
	}
	values, err := signals.Parse(body)
	if err != nil {
		replies.Error(w, err)
		return
	}
	s.Device.Push(values)
	s.signals(w, r)
}
