package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nearside/store"
)

// label is one of a decision, found at noon.
func label(decision, source string, good float64) store.Label {
	score := 0.5
	return store.Label{
		Decision: decision, Source: source, At: noon, Target: "local/small", Model: "m1", Task: "chat",
		Score: &score, Good: good, Propensity: 1, Weight: 1,
	}
}

func putLabels(t testing.TB, s *store.Store, want int, labels ...store.Label) {
	t.Helper()
	if got, err := s.PutLabels(t.Context(), labels); got != want || err != nil {
		t.Errorf("put %d labels: replaced %d, %v; want %d", len(labels), got, err, want)
	}
}

func counted(t testing.TB, s *store.Store, want map[string]int64) {
	t.Helper()
	if got, err := s.CountLabels(t.Context()); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestLabels(t *testing.T) {
	stores(t, func(t *testing.T, s *store.Store) {
		old := label("d0", "feedback", 1)
		old.Model, old.Score = "", nil
		putLabels(t, s, 0, old, label("d1", "feedback", 1), label("d1", "audit", 1), label("d2", "feedback", 0))
		putLabels(t, s, 1, label("d1", "feedback", 0), label("d3", "audit", 1))
		counted(t, s, map[string]int64{"feedback": 3, "audit": 2})
		got, err := s.Labels(t.Context(), "m1", 3)
		want := []store.Label{label("d3", "audit", 1), label("d2", "feedback", 0), label("d1", "audit", 1)}
		for i := range got {
			got[i].At = got[i].At.UTC()
		}
		if !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		if got, err := s.Labels(t.Context(), "", 9); len(got) != 1 || got[0].Score != nil || err != nil {
			t.Errorf("of an unknown model: got %+v, %v", got, err)
		}
	})
}

// TestLabelsAreBounded: by their number, which the quota may lower, and by age.
func TestLabelsAreBounded(t *testing.T) {
	now := &clock{now: noon}
	s := open(t, store.Options{Dir: t.TempDir(), Now: now.Now, HistoryMaxBytes: 256 << 10})
	const most = 256 << 10 / 8 / 512
	for i := range 3 * most {
		putLabels(t, s, 0, label(fmt.Sprint(i), "feedback", 1))
	}
	counted(t, s, map[string]int64{"feedback": most})
	if got, err := s.Labels(t.Context(), "m1", 1); err != nil || len(got) != 1 || got[0].Decision != fmt.Sprint(3*most-1) {
		t.Errorf("got %+v, %v", got, err)
	}
	now.add(181 * 24 * time.Hour)
	late := label("late", "audit", 1)
	late.At = now.Now()
	putLabels(t, s, 0, late)
	counted(t, s, map[string]int64{"audit": 1})
}

// TestLabelsMakeRoom: a file that decisions fill takes labels nevertheless.
func TestLabelsMakeRoom(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }, HistoryMaxBytes: 256 << 10})
	for i := range 200 {
		s.Record(fmt.Sprint(i), noon, is([]byte(strings.Repeat(fmt.Sprint(i), 2000))))
	}
	write(t, s)
	for i := range 40 {
		putLabels(t, s, 0, label(fmt.Sprint("d", i), "feedback", 1))
	}
	counted(t, s, map[string]int64{"feedback": 40})
	if got := s.Stats().Queue; got.Bytes > got.Quota {
		t.Errorf("got %+v", got)
	}
}

// TestLabelsAreSalvaged: they outlast a damaged file.
func TestLabelsAreSalvaged(t *testing.T) {
	o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
	s := open(t, o)
	setFact(t, s, "floor", "7")
	putLabels(t, s, 0, label("d1", "feedback", 1))
	s.Close()
	sqlite(t, filepath.Join(o.Dir, "queue.db"), "PRAGMA user_version = 99")
	s = open(t, o)
	if got := s.Stats().Queue.State; got != store.StateQuarantined {
		t.Fatalf("state %s", got)
	}
	counted(t, s, map[string]int64{"feedback": 1})
	fact(t, s, "floor", "7")
}

// TestLabelsOutlastAKill: what was acknowledged is read from a copy of the
// files as they were at that moment, with nothing closed.
func TestLabelsOutlastAKill(t *testing.T) {
	o := store.Options{Dir: t.TempDir()}
	s := open(t, o)
	putLabels(t, s, 0, label("d1", "feedback", 1))
	after := store.Options{Dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(after.Dir, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(after.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	counted(t, open(t, after), map[string]int64{"feedback": 1})
}
