package control

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"nearside/agent/openai/fault"
	"nearside/agent/server/feed"
	"nearside/agent/server/replies"
)

// Watch is what may be watched while it happens. A nil feed is 501.
type Watch struct {
	Events *feed.Feed
	Logs   *feed.Feed     // of log records, see [feed.Feed.Handler]
	Level  *slog.LevelVar // of what is logged, here and elsewhere
	Config func() string  // the config's level
}

// End lets those who watch go, so that they do not hold up the end.
func (w *Watch) End() {
	for _, f := range []*feed.Feed{w.Events, w.Logs} {
		if f != nil {
			f.Close()
		}
	}
}

// Stats are those of every feed, by its name.
func (w *Watch) Stats() map[string]feed.Stats {
	all := map[string]feed.Stats{}
	for name, f := range map[string]*feed.Feed{"events": w.Events, "logs": w.Logs} {
		if f != nil {
			all[name] = f.Stats()
		}
	}
	return all
}

func (s *Routes) events(w http.ResponseWriter, r *http.Request) {
	s.follow(w, r, s.Watch.Events, func(feed.Entry) bool { return true })
}

func (s *Routes) follow(w http.ResponseWriter, r *http.Request, f *feed.Feed, want func(feed.Entry) bool) {
	if f == nil {
		replies.NotBuilt(w, r)
		return
	}
	err := f.Serve(w, r, want)
	switch {
	case errors.Is(err, feed.ErrFull):
		replies.Error(w, &fault.Error{
			Status: http.StatusTooManyRequests, Type: "rate_limit_error", Code: "too_many_listeners",
			Message: "Too many listen to this already; end one of them.",
		})
	case err != nil:
		replies.Error(w, replies.ErrStopping)
	}
}

// logs gives the latest log records, and those to come when follow=true.
func (s *Routes) logs(w http.ResponseWriter, r *http.Request) {
	f := s.Watch.Logs
	if f == nil {
		replies.NotBuilt(w, r)
		return
	}
	want, err := wanted(r)
	if err != nil {
		replies.Error(w, err)
		return
	}
	if r.URL.Query().Get("follow") == "true" {
		s.follow(w, r, f, want)
		return
	}
	list := []json.RawMessage{}
	for _, e := range f.Latest() {
		if want(e) {
			list = append(list, e.Data)
		}
	}
	replies.List(w, list)
}

// wanted reads which records a caller wants.
func wanted(r *http.Request) (func(feed.Entry) bool, error) {
	q := r.URL.Query()
	least, from := slog.LevelDebug, time.Time{}
	var err error
	if v := q.Get("level"); v != "" {
		if least, err = levelOf(v); err != nil {
			return nil, err
		}
	}
	if v := q.Get("since"); v != "" {
		if from, err = time.Parse(time.RFC3339, v); err != nil {
			return nil, fault.Invalid("since", "since is %.40q; it must be a time such as 2026-01-31T12:00:00Z.", v)
		}
	}
	if v := q.Get("follow"); v != "" && v != "true" && v != "false" {
		return nil, fault.Invalid("follow", "follow is %.40q; it must be true or false.", v)
	}
	return func(e feed.Entry) bool {
		var record struct {
			Time  time.Time
			Level slog.Level
		}
		return json.Unmarshal(e.Data, &record) == nil && record.Level >= least && !record.Time.Before(from)
	}, nil
}

// levels are the words for what is logged.
var levels = []string{"debug", "info", "warn", "error"}

func levelOf(word string) (level slog.Level, err error) {
	if !slices.Contains(levels, word) {
		return 0, fault.Invalid("level", "level is %.40q; it must be one of %s.", word, strings.Join(levels, ", "))
	}
	return level, level.UnmarshalText([]byte(word))
}

// LogLevel is GET /v1/logs/level.
type LogLevel struct {
	Level  string `json:"level"`
	Config string `json:"config"` // back at the next start
}

func (s *Routes) logLevel(w http.ResponseWriter, r *http.Request) {
	if s.Watch.Level == nil {
		replies.NotBuilt(w, r)
		return
	}
	replies.JSON(w, http.StatusOK, LogLevel{strings.ToLower(s.Watch.Level.Level().String()), s.Watch.Config()})
}

// setLogLevel changes what is logged until the daemon ends.
func (s *Routes) setLogLevel(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Level string `json:"level"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		replies.Error(w, fault.Invalid("level", `The body must be {"level":"debug"}, or another level.`))
		return
	}
	level, err := levelOf(body.Level)
	if err != nil {
		replies.Error(w, err)
		return
	}
	if s.Watch.Level != nil {
		s.Watch.Level.Set(level)
		s.Log.Info("log level changed", "now", body.Level)
	}
	s.logLevel(w, r)
}
