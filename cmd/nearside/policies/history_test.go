package policies

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nearside/cmd/nearside/shell"
)

// pages serves n decisions, the newest first and one a minute, by pages as a
// daemon does, and counts the pages.
func pages(t *testing.T, n int, now time.Time) (socket string, asked *int) {
	t.Helper()
	socket, asked = filepath.Join(t.TempDir(), "s"), new(int)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		from, _ := strconv.Atoi(strings.TrimPrefix(r.FormValue("before"), "d"))
		list := []any{}
		for i := from + 1; i <= min(n, from+limit); i++ {
			list = append(list, map[string]any{"id": fmt.Sprint("d", i), "time": now.Add(-time.Duration(i) * time.Minute)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": list})
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return socket, asked
}

// TestHistory: all decisions since a moment are read, page by page, and not
// many more.
func TestHistory(t *testing.T) {
	now := time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)
	f := func(n int, since time.Duration, want, wantPages int) {
		t.Helper()
		socket, asked := pages(t, n, now)
		seen := map[string]bool{}
		moment := time.Time{}
		if since > 0 {
			moment = now.Add(-since)
		}
		err := history(t.Context(), &shell.Globals{Socket: socket}, moment, func(record []byte) bool {
			seen[string(record)] = true
			return true
		})
		if err != nil || len(seen) != want || *asked != wantPages {
			t.Errorf("%d decisions since %s: %v, got %d in %d pages, want %d in %d", n, since, err, len(seen), *asked, want, wantPages)
		}
	}
	f(0, 0, 0, 1)
	f(10, 0, 10, 1)
	f(1000, 0, 1000, 2) // whether there are more is known by asking
	f(2500, 0, 2500, 3)
	f(9000, 24*time.Hour, 2000, 2) // a page goes back 16 h 40 min
	f(9000, 16*time.Hour, 2000, 2) // a long request may have been recorded later
	f(9000, 15*time.Hour, 1000, 1)
}
