package feed

import (
	"bytes"
	"io"
	"log/slog"
)

// LogKind is the kind of a log record's entry.
const LogKind = "log"

// maxRecord bounds one log record; what is longer is not kept.
const maxRecord = 16 << 10

// Handler publishes log records of the level and above in the feed, as JSON.
func (f *Feed) Handler(level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(lines{f}, &slog.HandlerOptions{Level: level})
}

type lines struct{ feed *Feed }

var _ io.Writer = lines{}

// Write publishes one record; slog writes each by one call.
func (l lines) Write(p []byte) (int, error) {
	if len(p) <= maxRecord {
		l.feed.Publish(LogKind, bytes.Clone(bytes.TrimSpace(p)))
	}
	return len(p), nil
}
