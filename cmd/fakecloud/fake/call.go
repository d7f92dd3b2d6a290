package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"nearside/cmd/fakecloud/fake/chat"
)

// A call writes the answer to one request, spoiled by its fault. Its methods
// return an error when the connection is to be dropped: the client went, the
// server closes, or the fault says so.
type call struct {
	ctx    context.Context
	w      http.ResponseWriter
	serial int
	fault  Fault
}

// drip is the pause between two bytes of a slow body.
const drip = 50 * time.Millisecond

const loginPage = `<!doctype html>
<html><head><title>Sign in</title></head>
<body><form method="post" action="/login"><p>Sign in to use this network</p>
<input name="user"><input name="password" type="password"><button>Sign in</button></form></body></html>
`

// front plays the faults that need no look at the request. done means that
// nothing more is to be written.
func (c *call) front() (done bool, err error) {
	if err := c.pause(c.fault.delay()); err != nil {
		return true, err
	}
	switch c.fault.Kind {
	case Refused: // on a connection that the closing of the port missed
		return true, errCut
	case Hang:
		return true, c.hang()
	case Status:
		c.retryHeaders()
		return true, c.refuse(chat.FailureFor(c.fault.Status))
	case HTML:
		return true, c.send(http.StatusOK, "text/html; charset=utf-8", []byte(loginPage))
	}
	return false, nil
}

func (c *call) retryHeaders() {
	if c.fault.RetryAfterS > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(c.fault.RetryAfterS))
	}
	if c.fault.RetryAfterMS > 0 {
		c.w.Header().Set("Retry-After-Ms", strconv.Itoa(c.fault.RetryAfterMS))
	}
}

// refuse answers with an OpenAI error.
func (c *call) refuse(e *chat.Failure) error {
	body, err := json.Marshal(map[string]any{"error": e})
	if err != nil {
		return fmt.Errorf("encode error: %w", err)
	}
	return c.send(e.Status, "application/json", body)
}

// json answers 200 with v, or with half of it.
func (c *call) json(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if c.fault.Kind == CutJSON {
		body = body[:len(body)/2]
	}
	return c.send(http.StatusOK, "application/json", body)
}

// send writes a whole answer.
func (c *call) send(status int, contentType string, body []byte) error {
	c.w.Header().Set("Content-Type", contentType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if err := c.head(status); err != nil {
		return err
	}
	return c.write(body)
}

// head sends the headers at once.
func (c *call) head(status int) error {
	c.w.Header().Set("X-Request-Id", fmt.Sprintf("req_%08x", c.serial))
	c.w.WriteHeader(status)
	return c.flush()
}

// write sends bytes, one at a time if the fault is a slow body.
func (c *call) write(p []byte) error {
	step := len(p)
	if c.fault.Kind == SlowBody {
		step = 1
	}
	for ; len(p) > 0; p = p[step:] {
		if step == 1 {
			if err := c.pause(drip); err != nil {
				return err
			}
		}
		if _, err := c.w.Write(p[:step]); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) flush() error {
	if err := http.NewResponseController(c.w).Flush(); err != nil {
		return fmt.Errorf("flush answer: %w", err)
	}
	return nil
}

// pause waits for d, or returns why it could not.
func (c *call) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// hang waits until somebody gives up.
func (c *call) hang() error {
	<-c.ctx.Done()
	return context.Cause(c.ctx)
}
