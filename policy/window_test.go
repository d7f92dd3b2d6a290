package policy_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"nearside/policy"
)

func TestWindow(t *testing.T) {
	night := policy.Window{From: "22:00", To: "06:00"}
	weekend := policy.Window{Days: []string{"sat", "sun"}}
	party := policy.Window{From: "22:00", To: "02:00", Days: []string{"fri"}}
	utc := policy.Window{From: "09:00", To: "17:00", Zone: "utc"}
	whole := policy.Window{From: "00:00", To: "24:00"}
	for _, tt := range []struct {
		name string
		w    policy.Window
		at   string // 2026-11-20 is a Friday
		want bool
	}{
		{"night begins", night, "2026-11-20T22:00:00+01:00", true},
		{"evening", night, "2026-11-20T21:59:59+01:00", false},
		{"small hours", night, "2026-11-20T05:59:59+01:00", true},
		{"night ends", night, "2026-11-20T06:00:00+01:00", false},
		{"Saturday", weekend, "2026-11-21T12:00:00Z", true},
		{"Friday", weekend, "2026-11-20T23:59:59Z", false},
		{"Friday night", party, "2026-11-20T23:00:00Z", true},
		{"the day after", party, "2026-11-21T01:59:00Z", true},
		{"Thursday night", party, "2026-11-20T01:00:00Z", false},
		{"Saturday night", party, "2026-11-21T23:00:00Z", false},
		{"by utc", utc, "2026-11-20T09:30:00+01:00", false},
		{"by utc, later", utc, "2026-11-20T10:00:00+01:00", true},
		{"always", whole, "2026-11-20T23:59:59Z", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.w.Holds(at); got != tt.want {
				t.Errorf("at %s: got %t", tt.at, got)
			}
			if tt.w.Holds(time.Time{}) {
				t.Error("holds at a time that is not known")
			}
		})
	}
}

// At any time a window or what is left of the day holds, not both.
func TestWindowSplitsTheDay(t *testing.T) {
	clock := rapid.Map(rapid.IntRange(0, 24*60-1), func(m int) string {
		return time.Date(2026, 1, 1, 0, m, 0, 0, time.UTC).Format("15:04")
	})
	rapid.Check(t, func(t *rapid.T) {
		from, to := clock.Draw(t, "from"), clock.Draw(t, "to")
		if from == to {
			return
		}
		in, out := policy.Window{From: from, To: to}, policy.Window{From: to, To: from}
		if at := time.Unix(rapid.Int64Range(1, 1e9).Draw(t, "at"), 0); in.Holds(at) == out.Holds(at) {
			t.Fatalf("%s to %s at %v", from, to, at)
		}
	})
}
