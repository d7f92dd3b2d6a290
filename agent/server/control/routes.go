// Package control has the routes by which the daemon is seen and steered:
// decisions as they were recorded, signals of the device, verdicts on answers, the
// config read again, events and logs as they come.
package control

import (
	"log/slog"
	"net/http"

	"nearside/agent/learn"
	"nearside/agent/server/callers"
	"nearside/agent/server/replies"
)

// Routes are the control routes. A part that is nil is not built: 501.
type Routes struct {
	History func() History // nil while there is none
	Reload  Reload         // for POST /v1/config/reload
	Device  Device         // for /v1/device/signals
	Learner *learn.Learner // for POST /v1/feedback
	Watch   Watch          // for GET /v1/events and /v1/logs

	Callers *callers.Book // who may judge answers that others were given
	Log     *slog.Logger
}

// Mount gives each route to add: its pattern, what a caller needs for it (see
// [callers.Book.Admit]), and what answers.
func (s *Routes) Mount(add func(pattern, need string, h http.HandlerFunc)) {
	add("GET /v1/decisions", callers.Control, s.decisions)
	add("GET /v1/decisions/{id}", callers.Control, s.decision)
	add("POST /v1/config/reload", callers.Control, s.reload)
	if s.Device == nil {
		add(signalsPath, callers.Control, replies.NotBuilt)
	} else {
		add("GET "+signalsPath, callers.Control, s.signals)
		add("PUT "+signalsPath, callers.Control, s.push)
	}
	if s.Learner == nil {
		add(feedbackPath, callers.Known, replies.NotBuilt)
	} else {
		add("POST "+feedbackPath, callers.Known, s.feedback)
	}
	add("GET /v1/events", callers.Control, s.events)
	add("GET /v1/logs", callers.Control, s.logs)
	add("GET /v1/logs/level", callers.Control, s.logLevel)
	add("PUT /v1/logs/level", callers.Control, s.setLogLevel)
}
