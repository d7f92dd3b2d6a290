package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nearside/policy/seal"
	"nearside/policy/trial"
)

// trickle begins so many envelopes whose end does not come until the function it
// returns is called, which breaks them off.
func (s *siege) trickle(t *testing.T, n int) (breakOff func()) {
	t.Helper()
	var all sync.WaitGroup
	var taps []*io.PipeWriter
	for range n {
		out, in := io.Pipe()
		taps = append(taps, in)
		all.Go(func() {
			resp, err := s.http.Post("http://localhost/v1/policy/apply", "application/json", out)
			if err == nil {
				resp.Body.Close()
			}
		})
		for _, drop := range []string{"{", `"`, "p"} {
			_, err := io.WriteString(in, drop) // returns when the client has read it
			must(t, "send a drop", err)
		}
	}
	return func() {
		for _, in := range taps {
			in.CloseWithError(io.ErrUnexpectedEOF)
		}
		all.Wait()
	}
}

// TestAttackFlood: 10,000 refusals, as fast as they can be brought, cost neither
// memory nor the disk nor those who listen, and a good policy still gets in.
func TestAttackFlood(t *testing.T) {
	t.Parallel()
	s := newCouncil(t).besieged(t)
	const callers, each, first = 8, 1000, 2000
	for i := range first {
		s.mustRefuse(t, fmt.Sprintf(`{"first":%d}`, i))
	}
	before, memory, saves, began := s.standing(), s.resident(t), s.saves(t), time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				s.mustRefuse(t, fmt.Sprintf(`{"n":%d}`, i*each+j))
			}
		})
	}
	halfway := s.standing()
	s.apply(s.policy(8), 0)
	all.Wait()
	took := time.Since(began)
	t.Logf("%d refusals in %v, memory %+d MiB, %d saves", callers*each, took.Round(time.Millisecond), (s.resident(t)-memory)>>20, s.saves(t)-saves)
	if halfway.Version != before.Version {
		t.Errorf("in force halfway: version %d, want %d", halfway.Version, before.Version)
	}
	if got := s.refusals(seal.Malformed); got != first+callers*each {
		t.Errorf("metrics count %v refused, want %d", got, first+callers*each)
	}
	if grown := s.resident(t) - memory; grown > 32<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	most := int64(10 + took/time.Second)
	if n := s.saves(t) - saves; n > most {
		t.Errorf("the record was saved %d times in %v, want at most %d", n, took, most)
	}
	s.inForce(8, "probation")
	s.apply(s.policy(9), 0)
	told := 0
	for e := hears(t, s.events, "policy"); !strings.Contains(e.data, `"version":9`); e = hears(t, s.events, "policy") {
		told += strings.Count(e.data, `"kind":"refused"`)
	}
	if most := 17 + int(took/(10*time.Second)); told < 1 || told > most {
		t.Errorf("%d events of refusals in %v, want 1 to %d", told, took, most)
	}
}

func (s *siege) mustRefuse(t *testing.T, envelope string) {
	resp, err := s.http.Post("http://localhost/v1/policy/apply", "application/json", strings.NewReader(envelope))
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("%s: got %s", envelope, resp.Status)
	}
}

// resident is the daemon's memory in bytes.
func (s *siege) resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	must(t, "read statm", err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	must(t, "read statm", err)
	return pages * int64(os.Getpagesize())
}

// saves is how many times the record was saved since there is one.
func (s *siege) saves(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "policy", "record"))
	must(t, "read the record", err)
	r, err := trial.Decode(text)
	must(t, "read the record", err)
	return r.Seq
}

// TestAttackTogether: of two policies of one version that are brought at once
// one is in force, and the other is refused; the same one brought many times at
// once is taken once.
func TestAttackTogether(t *testing.T) {
	t.Parallel()
	s := newCouncil(t).besieged(t)
	bring := func(envelopes ...string) map[int]int {
		t.Helper()
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[int]int{}
		for i, e := range envelopes {
			name := fmt.Sprint("envelope", i)
			s.write(name, e)
			all.Go(func() {
				out, _, code := s.run("policy", "apply", filepath.Join(s.dir, name))
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
				if strings.Contains(out, "nothing done") {
					codes[-1]++
				}
			})
		}
		all.Wait()
		return codes
	}
	one, other := s.policy(8), s.policy(8, "rules", "rules ")
	if got := bring(one, other); got[0] != 1 || got[3] != 1 {
		t.Errorf("two of one version: exits %v, want one 0 and one 3", got)
	}
	hears(t, s.events, "policy", `"kind":"refused"`, `"reason":"other_digest"`)
	if got := s.refusals(seal.OtherDigest); got != 1 {
		t.Errorf("metrics count %v, want 1", got)
	}
	s.inForce(8, "probation")
	same := s.policy(9)
	if got := bring(same, same, same, same, same); got[0] != 5 || got[-1] != 4 {
		t.Errorf("one five times: %v, want 5 exits 0 and 4 with nothing done", got)
	}
	s.inForce(9, "probation")
}
