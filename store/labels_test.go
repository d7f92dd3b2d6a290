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
	"nearside/store/file"
)

// label is one of a decision, found at noon.
func label(decision, source string, good float64) store.Label {
	score := 0.5
	return store.Label{
		Decision: decision, Source: source, At: noon, Target: "local/small", Model: "m1", Task: "chat",
		Score: &score, Good: good, Propensity: 1, Weight: 1, Sketch: []byte(decision),
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

// TestSketchesAreBounded: the newest labels have them, none is long, and one
// that is judged again without keeps it.
func TestSketchesAreBounded(t *testing.T) {
	s := open(t, store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }, HistoryMaxBytes: 1 << 20})
	const most = 1 << 20 / 32 / 1024
	for i := range 3 * most {
		putLabels(t, s, 0, label(fmt.Sprint(i), "audit", 1))
	}
	again := label(fmt.Sprint(3*most-1), "audit", 0)
	again.Sketch = nil
	putLabels(t, s, 1, again)
	all, err := s.Labels(t.Context(), "m1", 3*most)
	if err != nil || len(all) != 3*most || all[0].Good != 0 {
		t.Fatalf("got %d labels, %v", len(all), err)
	}
	for i, l := range all {
		if has := string(l.Sketch) == l.Decision; has != (i < most) {
			t.Errorf("label %d from the last: sketch %q of %s", i, l.Sketch, l.Decision)
		}
	}
	long := label("long", "audit", 1)
	long.Sketch = make([]byte, 8<<10+1)
	if _, err := s.PutLabels(t.Context(), []store.Label{long}); err == nil {
		t.Error("a sketch of more than 8 KiB was kept")
	}
}

// TestOlderLabels: those from before there were sketches are read, also from a
// damaged file.
func TestOlderLabels(t *testing.T) {
	for _, damage := range []string{"", "PRAGMA user_version = 99"} {
		o := store.Options{Dir: t.TempDir(), Now: func() time.Time { return noon }}
		s := open(t, o)
		putLabels(t, s, 0, label("d1", "feedback", 1))
		s.Close()
		const older = "DROP TABLE outbox; DROP INDEX labels_sketch; ALTER TABLE labels DROP COLUMN sketch; PRAGMA user_version = 3; "
		sqlite(t, filepath.Join(o.Dir, "queue.db"), older+damage)
		s = open(t, o)
		got, err := s.Labels(t.Context(), "m1", 9)
		if err != nil || len(got) != 1 || got[0].Decision != "d1" || got[0].Sketch != nil {
			t.Errorf("%q: got %+v, %v", damage, got, err)
		}
		putLabels(t, s, 0, label("d2", "feedback", 1))
	}
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
	if got := s.Stats().Queue.State; got != file.StateQuarantined {
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
