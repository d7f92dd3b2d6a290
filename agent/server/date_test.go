package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestDate: answers have the date of their second, whichever came before.
func TestDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := (world{cloud: says("cloud/first", "Paris.")}).server().Handler()
		for range 10 {
			r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(turn(`"model":"cloud"`)))
			r.Host = "localhost"
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got, want := w.Header().Get("Date"), time.Now().UTC().Format(http.TimeFormat); w.Code != http.StatusOK || got != want {
				t.Errorf("got %d, date %q, want %q", w.Code, got, want)
			}
			time.Sleep(400 * time.Millisecond)
		}
	})
}
