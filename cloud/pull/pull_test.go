package pull_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nearside/cloud/pull"
)

// source is a fake server: each request is answered by the next of its answers,
// the last one for ever.
type source struct {
	answers []func(etag string) (*pull.Answer, error)
	times   []time.Duration // of the requests, since the start
	tags    []string
	start   time.Time
	settles int // from which offer on all are settled
}

func (s *source) Get(_ context.Context, etag string) (*pull.Answer, error) {
	s.times = append(s.times, time.Since(s.start))
	s.tags = append(s.tags, etag)
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return next(etag)
}

func body(etag, text string) func(string) (*pull.Answer, error) {
	return func(asked string) (*pull.Answer, error) {
		if asked == etag && etag != "" {
			return &pull.Answer{ETag: etag}, nil
		}
		return &pull.Answer{ETag: etag, Body: []byte(text)}, nil
	}
}

func fault(err error) func(string) (*pull.Answer, error) {
	return func(string) (*pull.Answer, error) { return nil, err }
}

const envelope = `{"payloadType":"application/vnd.nearside.policy+json","payload":"","signatures":[]}`

// rig is a puller in a bubble of time, and what it offered.
type rig struct {
	*pull.Puller
	*source
	offered []string
}

func run(t *testing.T, o pull.Options, s *source) *rig {
	t.Helper()
	r := &rig{source: s}
	s.start = time.Now()
	o.Source = s
	o.Offer = func(_ context.Context, e []byte) bool {
		r.offered = append(r.offered, string(e))
		return len(r.offered) >= s.settles
	}
	var err error
	if r.Puller, err = pull.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// pass lets time go by and everything that is due happen.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func half() float64 { return 0.5 }

// TestPeriod: the first request within a minute, then one a period, give or take
// a fifth, and rarer where bytes cost money.
func TestPeriod(t *testing.T) {
	f := func(random float64, metered bool, want ...time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := &source{answers: []func(string) (*pull.Answer, error){body("a", envelope)}}
			r := run(t, pull.Options{Every: time.Hour, Random: func() float64 { return random }, Metered: func() bool { return metered }}, s)
			pass(13 * time.Hour)
			got := r.times
			if len(got) > len(want) {
				got = got[:len(want)]
			}
			if !slices.Equal(got, want) {
				t.Errorf("random %g, metered %v: got %v, want %v", random, metered, got, want)
			}
			if len(r.offered) != 1 {
				t.Errorf("offered %d times, want once", len(r.offered))
			}
		})
	}
	f(0, false, 0, 48*time.Minute, 96*time.Minute)
	f(0.5, false, 30*time.Second, time.Hour+30*time.Second, 2*time.Hour+30*time.Second)
	f(1, false, time.Minute, 73*time.Minute, 145*time.Minute)
	f(0.5, true, 30*time.Second, 6*time.Hour+30*time.Second, 12*time.Hour+30*time.Second)
}

// TestOffline: no request while there is known to be no network, one within a
// minute after it came back when one is due, and none when it was only away for
// a moment.
func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		online := false
		s := &source{answers: []func(string) (*pull.Answer, error){body("a", envelope)}}
		r := run(t, pull.Options{Every: time.Hour, Random: half, Online: func() bool { return online }}, s)
		r.Refresh()
		pass(24 * time.Hour)
		if len(r.times) != 0 || !r.Status().Next.IsZero() {
			t.Fatalf("asked at %v while offline", r.times)
		}
		online = true
		r.Wake()
		pass(30 * time.Second)
		if len(r.times) != 1 {
			t.Fatalf("asked at %v, want once within a minute", r.times)
		}
		online = false
		r.Wake()
		pass(10 * time.Minute)
		online = true
		r.Wake()
		pass(40 * time.Minute)
		if len(r.times) != 1 {
			t.Errorf("asked at %v: back from a moment, nothing is due", r.times)
		}
	})
}

// TestBackOff: full jitter under a bound that doubles up to the period, and an
// answer ends it.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := fault(errors.New("refused"))
		s := &source{answers: []func(string) (*pull.Answer, error){broken, broken, broken, broken, broken, broken, broken, broken, body("a", envelope)}}
		r := run(t, pull.Options{Every: 10 * time.Minute, Random: half}, s)
		pass(2 * time.Hour)
		var gaps []time.Duration
		for i := 1; i < 10; i++ {
			gaps = append(gaps, r.times[i]-r.times[i-1])
		}
		want := []time.Duration{15, 30, 60, 120, 240, 300, 300, 300, 600}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(gaps, want) {
			t.Errorf("got %v, want %v", gaps, want)
		}
		if st := r.Status(); st.Fault != "" || st.OK.IsZero() || st.Offers != 1 {
			t.Errorf("got status %+v", st)
		}
	})
}

// TestRetryAfter is honoured, by a refresh too, up to a day.
func TestRetryAfter(t *testing.T) {
	f := func(after, least, most time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := &source{answers: []func(string) (*pull.Answer, error){fault(&pull.Busy{Err: errors.New("status 503"), After: after}), body("a", envelope)}}
			r := run(t, pull.Options{Every: time.Minute, Random: half}, s)
			pass(time.Minute)
			r.Refresh()
			pass(2*24*time.Hour + time.Minute)
			if gap := r.times[1] - r.times[0]; gap < least || gap > most {
				t.Errorf("Retry-After %s: asked again after %s, want %s to %s", after, gap, least, most)
			}
		})
	}
	f(2*time.Hour, 2*time.Hour, 144*time.Minute)
	f(10*365*24*time.Hour, 24*time.Hour, 29*time.Hour)
}

// TestRefresh asks at once.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answers: []func(string) (*pull.Answer, error){body("a", envelope)}}
		r := run(t, pull.Options{Every: time.Hour, Random: half}, s)
		pass(10 * time.Minute)
		r.Refresh()
		synctest.Wait()
		if want := []time.Duration{30 * time.Second, 10 * time.Minute}; !slices.Equal(r.times, want) {
			t.Errorf("got %v, want %v", r.times, want)
		}
	})
}

// TestIndex offers envelopes in their order, each once while it is as it was,
// whatever happens to the others.
func TestIndex(t *testing.T) {
	one := strings.Replace(envelope, `""`, `"b25l"`, 1)
	two := strings.Replace(envelope, `""`, `"dHdv"`, 1)
	index := func(list ...string) string { return `{"envelopes":[` + strings.Join(list, ",") + `]}` }
	synctest.Test(t, func(t *testing.T) {
		s := &source{answers: []func(string) (*pull.Answer, error){
			body("", index(one, envelope)), body("", index(one, envelope)), body("", index(one, envelope, two)), body("", one), body("", index()), body("", index(two)),
		}}
		r := run(t, pull.Options{Every: time.Hour, Random: half}, s)
		pass(7 * time.Hour)
		if want := []string{one, envelope, two, two}; !slices.Equal(r.offered, want) {
			t.Errorf("got %v, want %v", r.offered, want)
		}
	})
}

// TestAnew: what was settled is handed on again, once, when who takes it is another.
func TestAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answers: []func(string) (*pull.Answer, error){body("a", envelope)}}
		r := run(t, pull.Options{Every: time.Hour, Random: half}, s)
		pass(3 * time.Hour)
		if len(r.offered) != 1 {
			t.Errorf("offered %d times, want once", len(r.offered))
		}
		r.Anew()
		pass(3 * time.Hour)
		if want := []string{"", "a", "a", "", "a", "a"}; len(r.offered) != 2 || !slices.Equal(r.tags, want) {
			t.Errorf("offered %d times, asked with tags %q, want %q", len(r.offered), r.tags, want)
		}
	})
}

// TestUnsettled is offered again, since the server is asked for it again.
func TestUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answers: []func(string) (*pull.Answer, error){body("a", envelope)}, settles: 3}
		r := run(t, pull.Options{Every: time.Hour, Random: half}, s)
		pass(6 * time.Hour)
		if len(r.offered) != 3 {
			t.Errorf("offered %d times, want 3", len(r.offered))
		}
		if want := []string{"", "", "", "a", "a"}; !slices.Equal(r.tags[:5], want) {
			t.Errorf("got tags %q, want %q", r.tags, want)
		}
	})
}

// TestStrangeAnswers are not handed on, and not remembered.
func TestStrangeAnswers(t *testing.T) {
	many := strings.Repeat(envelope+",", pull.MaxEnvelopes) + envelope
	for want, text := range map[string]string{
		"no JSON object":                    "<html>sign in</html>",
		"neither payloadType nor envelopes": `{"a":1}`,
		"nothing but envelopes":             `{"envelopes":[],"payloadType":"x"}`,
		"envelopes must be a list":          `{"envelopes":{}}`,
		"envelopes[1] must be an object":    `{"envelopes":[` + envelope + `,null]}`,
		"at most 16":                        `{"envelopes":[` + many + `]}`,
		"at most 65536 bytes":               `{"payloadType":"` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &source{answers: []func(string) (*pull.Answer, error){body("a", text)}}
			r := run(t, pull.Options{Every: time.Minute, Random: half}, s)
			pass(10 * time.Minute)
			if st := r.Status(); !strings.Contains(st.Fault, want) || len(r.offered) > 0 {
				t.Errorf("got %q and %d offers, want %q", st.Fault, len(r.offered), want)
			}
			if slices.Contains(r.tags, "a") {
				t.Errorf("%s: its tag was kept", want)
			}
		})
	}
}

func TestEvery(t *testing.T) {
	for _, every := range []time.Duration{0, time.Second, 8 * 24 * time.Hour} {
		if _, err := pull.New(pull.Options{Every: every}); err == nil || !strings.Contains(err.Error(), "from 10s to 168h0m0s") {
			t.Errorf("every %s: got %v", every, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(envelope))
	f.Add([]byte(`{"envelopes":[` + envelope + `]}`))
	f.Add([]byte(`{"envelopes":[null,1,"",{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := &source{answers: []func(string) (*pull.Answer, error){body("", string(text))}}
			r := run(t, pull.Options{Every: time.Hour, Random: half}, s)
			pass(time.Minute)
			if r.Status().Fault != "" && len(r.offered) > 0 {
				t.Error(fmt.Sprint("offered some of an answer that is at fault: ", r.offered))
			}
			for _, e := range r.offered {
				if e[0] != '{' || len(e) > pull.MaxEnvelope {
					t.Errorf("offered %.40q of %d bytes", e, len(e))
				}
			}
		})
	})
}
