package store_test

import (
	"crypto/sha512"
	"fmt"
	"strings"
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

// BenchmarkDecisions lists the latest 128 of 2,000 records of some 1.5 KB, much
// alike, as whoever judges a policy does.
func BenchmarkDecisions(b *testing.B) {
	s := open(b, store.Options{Dir: b.TempDir()})
	for i := range 2000 {
		seen := sha512.Sum512(fmt.Append(nil, i)) // what differs from one record to the next
		s.Record(fmt.Sprint(i), time.Now(), is(fmt.Appendf(nil, `{"id":"%d","seen":"%x","signals":%q}`, i, seen, strings.Repeat(`{"name":"cloud/first","usable":true}`, 40))))
	}
	write(b, s)
	b.ReportAllocs()
	for b.Loop() {
		first, err := s.Decisions(b.Context(), 64, "")
		second, bad := s.Decisions(b.Context(), 64, "1936")
		if len(first) != 64 || len(second) != 64 || err != nil || bad != nil {
			b.Fatal(len(first), len(second), err, bad)
		}
	}
}
