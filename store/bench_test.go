package store_test

import (
	"fmt"
	"testing"
	"time"

	"nearside/store"
)

func BenchmarkGetHit(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	for i := range 500 {
		s.Put(fmt.Sprint(i), make([]byte, 2000), time.Now())
	}
	write(b, s)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, ok, err := s.Get(b.Context(), fmt.Sprint(i%500)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkPutRecord is the time until both are on disk, when the writer is busy.
func BenchmarkPutRecord(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	stop := run(b, s)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Put(fmt.Sprint(i), make([]byte, 2000), time.Now())
		s.Record(fmt.Sprint(i), time.Now(), is(make([]byte, 1000)))
		if i%200 == 199 {
			waitFor(b, func() bool { return s.Stats().Queue.Waiting < 500 && s.Stats().Cache.Waiting < 500 })
		}
	}
	stop()
	if got := s.Stats(); got.Cache.Dropped+got.Queue.Dropped > 0 {
		b.Errorf("got %+v", got)
	}
}
