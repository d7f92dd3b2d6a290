package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nearside/cmd/fakecloud/fake"
)

// happened is one event as a listener gets it.
type happened struct {
	id, kind, data string
}

// listen collects the events of the daemon that come after the one with the id.
func (h *house) listen(ctx context.Context, lastID string) <-chan happened {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/events", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := h.http.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		h.t.Fatalf("listen: %v, %v", resp, err)
	}
	events := make(chan happened)
	go func() {
		defer resp.Body.Close()
		defer close(events)
		var e happened
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				select {
				case events <- e:
				case <-ctx.Done():
					return
				}
				e = happened{}
			}
		}
	}()
	return events
}

// hears waits for an event of the kind with the texts in its data.
func hears(t *testing.T, events <-chan happened, kind string, texts ...string) happened {
	t.Helper()
	end := time.After(patience)
	for {
		select {
		case e, on := <-events:
			if !on {
				t.Fatalf("the events ended before %s %q", kind, texts)
			}
			ok := e.kind == kind && json.Valid([]byte(e.data))
			for _, text := range texts {
				ok = ok && strings.Contains(e.data, text)
			}
			if ok {
				return e
			}
		case <-end:
			t.Fatalf("no event %s %q", kind, texts)
		}
	}
}

// TestEvents lets things happen to a daemon and listens.
func TestEvents(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	config := clouds(cloud)
	h := newHouse(t, config)
	ctx, leave := context.WithTimeout(t.Context(), 4*patience)
	defer leave()
	events := h.listen(ctx, "")

	h.answers(t)
	first := hears(t, events, "engine", `"state":"starting"`)
	hears(t, events, "engine", `"state":"ready"`, `"starts":1`)
	h.killEngine()
	hears(t, events, "engine", `"crashes":1`)
	hears(t, events, "health", `"raised":true`, `"name":"engine"`)

	kept := inCloud("What is the largest planet?")
	h.ask(kept)
	until(t, "the answer is kept", patience, func() bool { return h.status().Store.Cache.Rows > 0 })
	set(t, cloud, fake.Fault{Kind: fake.Status, Status: 503})
	until(t, "the breaker opens", patience, func() bool {
		h.ask(kept)
		return *h.target("cloud/first").Breaker == "open"
	})
	hears(t, events, "target", `"cloud/first"`, `"breaker":"open"`, `"usable":false`)

	h.push(`{"network":{"value":"offline","ttl_s":600}}`)
	hears(t, events, "connectivity", `"state":"offline"`, `"source":"host"`)

	h.write("nearside.yaml", config+"policy: "+h.dir+"/own.yaml\n")
	h.write("own.yaml", string(h.defaultPolicy(t)))
	h.reload()
	hears(t, events, "policy", "own.yaml")

	again := h.listen(ctx, first.id)
	hears(t, again, "engine", `"state":"ready"`)
	hears(t, again, "degraded", `"degraded":true`, `"reason":"forced_mode"`)
	hears(t, again, "policy", "own.yaml")
	if got := h.scrape()[`nearside_listeners{feed="events"}`]; got != 2 {
		t.Errorf("got %v listeners, want 2", got)
	}
	h.stop()
	for range events { // it ends with the daemon, or this test does
	}
	for range again {
	}
}

func (h *house) defaultPolicy(t *testing.T) []byte {
	t.Helper()
	out, err := h.command("policy", "show", "--default").Output()
	must(t, "show the default policy", err)
	return out
}

// follow runs `nearside logs -f` until the test ends and gives its lines.
func (h *house) followLogs(t *testing.T, args ...string) <-chan string {
	t.Helper()
	cmd := h.command(append([]string{"logs", "-f"}, args...)...)
	out, err := cmd.StdoutPipe()
	must(t, "open a pipe", err)
	must(t, "start nearside logs", cmd.Start())
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return lines
}

// TestLogs follows the log of a daemon while its level changes.
func TestLogs(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, fake.Options{})
	h := newHouse(t, noLocal, clouds(cloud))
	lines := h.followLogs(t)
	line := func(texts ...string) {
		t.Helper()
		until(t, fmt.Sprintf("a line with %q", texts), patience, func() bool {
			select {
			case l := <-lines:
				return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(l, text) })
			default:
				return false
			}
		})
	}
	line("INFO  listening")
	h.ask(inCloud("What is the largest planet?"))
	must(t, "set the level", h.command("logs", "level", "debug").Run())
	line("log level changed", "now=debug")
	r := h.ask(inCloud("What is the smallest planet?"))
	line("DEBUG request", "decision="+r.header.Get("x-nearside-decision"), "route=cloud", "target=cloud/first", "reason=forced_mode")
	if n := strings.Count(h.log.String(), "msg=request"); n != 1 {
		t.Errorf("%d requests in the log on standard error, want the one after the level changed:\n%s", n, &h.log)
	}
	h.stop()
	for range lines { // they end with the daemon
	}
	h.start()
	if got := string(h.get("/v1/logs/level")); !strings.Contains(got, `"level":"info"`) {
		t.Errorf("after a restart the level is %s", got)
	}
}
