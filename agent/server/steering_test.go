package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"nearside/agent/server/callers"
	"nearside/agent/server/steering"
)

// helm is a device that does as its functions say.
type helm struct {
	apply func(ctx context.Context, envelope []byte) (steering.Applied, error)
	reset func(forget bool) error
}

func (h helm) Standing() steering.Standing {
	return steering.Standing{Version: 7, Digest: "ab", State: "confirmed"}
}

func (h helm) Apply(ctx context.Context, envelope []byte) (steering.Applied, error) {
	return h.apply(ctx, envelope)
}

func (h helm) Reset(_ context.Context, forget bool) error { return h.reset(forget) }

// TestSteering: what is brought reaches the device as it is, up to its size,
// and what it says of it reaches the one who brought it.
func TestSteering(t *testing.T) {
	var brought []byte
	var end error
	f := world{steered: helm{apply: func(_ context.Context, e []byte) (steering.Applied, error) {
		brought = e
		return steering.Applied{Kind: "policy", Version: 7, Digest: "ab", State: "probation", Changed: true}, end
	}}}.open(t)
	got := f.call(f.unix, "GET", steering.Path, "")
	if got.status != 200 || !strings.HasPrefix(got.body, `{"version":7,"digest":"ab","state":"confirmed","source":"","signers":null,`) {
		t.Errorf("GET: %d %s", got.status, got.body)
	}
	got = f.call(f.unix, "POST", steering.ApplyPath, "envelope")
	if want := `{"kind":"policy","version":7,"digest":"ab","state":"probation","changed":true}` + "\n"; got.status != 200 || got.body != want || string(brought) != "envelope" {
		t.Errorf("POST: %d %s, with %q", got.status, got.body, brought)
	}
	f.blurt("unix", steering.ApplyPath, strings.Repeat("x", 1<<20))
	if len(brought) <= 64<<10 || len(brought) > 70<<10 {
		t.Errorf("of a megabyte %d bytes reached the device, want a little more than an envelope may have", len(brought))
	}
	for _, tt := range []struct {
		err          error
		status       int
		kind, reason string
	}{
		{fmt.Errorf("apply: %w", &steering.Refusal{Reason: "older_version", Detail: "version 3"}), 422, steering.Kept, "older_version"},
		{steering.Off(), 422, steering.Kept, "remote_off"},
		{context.DeadlineExceeded, 504, "timeout", "still_examined"},
		{errors.New("the disk is full"), 500, "internal_error", "not_applied"},
	} {
		end = tt.err
		got := f.call(f.unix, "POST", steering.ApplyPath, "envelope")
		if got.status != tt.status || got.fault.Type != tt.kind || got.fault.Code != tt.reason || got.fault.Message == "" {
			t.Errorf("%v: got %d %s", tt.err, got.status, got.body)
		}
	}
}

// TestReset: it takes somebody on the device, and a body that says what is meant.
func TestReset(t *testing.T) {
	var forgot []bool
	f := world{steered: helm{reset: func(forget bool) error { forgot = append(forgot, forget); return nil }}}.open(t)
	for body, want := range map[string]int{
		"": 400, "{}": 200, `{"forget_floor":true}`: 200, `{"forget":true}`: 400, `{"forget_floor":1}`: 400, "[]": 400,
	} {
		if got := f.call(f.unix, "POST", steering.ResetPath, body); got.status != want {
			t.Errorf("%q: got %d %s, want %d", body, got.status, got.body, want)
		}
	}
	if len(forgot) != 2 || forgot[0] == forgot[1] {
		t.Errorf("reset was called with %v", forgot)
	}
	got := f.call(f.tcp, "POST", steering.ResetPath, "{}")
	if got.status != http.StatusForbidden || got.fault.Code != "socket_only" || len(forgot) != 2 {
		t.Errorf("over TCP: got %d %s", got.status, got.body)
	}
}

// TestSteeringGuarded: no page and no caller without control steers.
func TestSteeringGuarded(t *testing.T) {
	w := world{steered: helm{}, rules: &callers.Rules{Token: "0123456789abcdef"}}
	f := w.open(t)
	for _, path := range []string{steering.ApplyPath, steering.ResetPath} {
		if got := f.call(f.unix, "POST", path, "{}", "Origin", "https://page.example"); got.status != 403 {
			t.Errorf("%s from a page: got %d", path, got.status)
		}
		if got := f.call(f.tcp, "POST", path, "{}"); got.status != 401 {
			t.Errorf("%s without a token: got %d", path, got.status)
		}
		if got := f.call(f.unix, "GET", path, ""); got.status != 405 || got.header.Get("Allow") != "POST" {
			t.Errorf("GET %s: got %d", path, got.status)
		}
	}
	none := world{}.open(t)
	for _, path := range []string{steering.Path, steering.ApplyPath, steering.ResetPath} {
		if got := none.call(none.unix, "POST", path, "{}"); got.status != 501 {
			t.Errorf("%s where nobody steers: got %d, want 501", path, got.status)
		}
	}
}
