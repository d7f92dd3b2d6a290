package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sizes of the load.
const (
	warmUp  = 300
	calls   = 3000
	streams = 1000
	workers = 32
	rounds  = 9   // of the concurrent load, in alternation
	burst   = 800 // calls of one road in one round
)

// road is one way to the fake cloud.
type road struct {
	client *http.Client
	url    string
	model  string
}

// bench is the three roads that are compared.
type bench struct {
	ctx                 context.Context
	direct, proxy, near road
	daemon, bare        *child
	sheet               *sheet
	asked               int // questions so far; no two are the same
}

// load measures the road of a request, over the Unix socket.
func load(ctx context.Context, l *lab) error {
	daemon, _, err := l.daemon(ctx, "loaded")
	if err != nil {
		return err
	}
	defer daemon.stop()
	bare, err := l.proxy(ctx)
	if err != nil {
		return err
	}
	defer bare.stop()
	const path = "/v1/chat/completions"
	b := &bench{
		ctx: ctx, daemon: daemon, bare: bare, sheet: l.sheet,
		direct: road{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}, l.cloud + path, "fake-model"},
		proxy:  road{bare.client, "http://localhost" + path, "fake-model"},
		near:   road{daemon.client, "http://localhost" + path, "cloud"},
	}
	defer b.direct.client.CloseIdleConnections()
	for _, part := range []func() error{b.cacheHits, b.cloudCalls, b.firstTokens, b.wholeStreams, b.crowd, b.connections} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// cloudCalls measures what the road adds to a plain cloud call, one at a time
// and many at once, and what that costs in processor time.
func (b *bench) cloudCalls() error {
	note("%d plain calls on each road", calls)
	if _, err := b.alternate(warmUp, road.plain); err != nil {
		return err
	}
	used, err := b.cpu()
	if err != nil {
		return err
	}
	took, err := b.alternate(calls, road.plain)
	if err != nil {
		return err
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"added_p50", 0.5}, {"added_p99", 0.99}} {
		base := quantile(took[0], q.at)
		added, proxied := quantile(took[2], q.at)-base, quantile(took[1], q.at)-base
		b.sheet.add(q.name+"_ms", millis(added), "ms")
		b.sheet.add(q.name+"_ratio", float64(added)/float64(proxied), "x")
	}
	if err := b.many(); err != nil {
		return err
	}
	now, err := b.cpu()
	n := float64(calls + rounds*burst)
	b.sheet.add("cpu_us", (now[1]-used[1])/n, "us")
	b.sheet.add("cpu_ratio", (now[1]-used[1])/(now[0]-used[0]), "x")
	return err
}

// cpu is the processor time that the bare proxy and the daemon have used, in
// microseconds.
func (b *bench) cpu() ([2]float64, error) {
	theirs, err1 := b.bare.cpu()
	ours, err2 := b.daemon.cpu()
	return [2]float64{theirs, ours}, first(err1, err2)
}

// many measures calls per second with many at once. The ratio is the median of
// those of the rounds, since other work on the machine comes and goes.
func (b *bench) many() error {
	note("%d plain calls at once, on two roads", workers)
	var spent [2]time.Duration
	var ratios []float64
	for range rounds {
		var took [2]time.Duration
		for i, r := range []road{b.proxy, b.near} {
			begun := time.Now()
			if err := b.flood(r); err != nil {
				return err
			}
			took[i] = time.Since(begun)
			spent[i] += took[i]
		}
		ratios = append(ratios, float64(took[0])/float64(took[1]))
	}
	slices.Sort(ratios)
	b.sheet.add("rps_c32", rounds*burst/spent[1].Seconds(), "1/s")
	b.sheet.add("rps_c32_ratio", ratios[rounds/2], "x")
	return nil
}

// flood makes a burst of calls, shared among the workers.
func (b *bench) flood(r road) error {
	var g errgroup.Group
	for w := range workers {
		from := b.asked + w*burst/workers
		g.Go(func() error {
			for i := range burst / workers {
				if _, err := r.plain(b.ctx, from+i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.asked += burst
	return g.Wait()
}

// firstTokens measures what the road adds until the first event of a stream.
func (b *bench) firstTokens() error {
	note("%d streams on each road", streams)
	took, err := b.alternate(streams, road.stream)
	if err != nil {
		return err
	}
	b.sheet.add("ttft_added_ms", millis(quantile(took[2], 0.5)-quantile(took[0], 0.5)), "ms")
	b.sheet.add("ttft_over_proxy_ms", millis(quantile(took[2], 0.5)-quantile(took[1], 0.5)), "ms")
	return nil
}

// alternate calls the three roads in turn, n times each, starting with another
// one every time. The times are those of direct, proxy and near.
func (b *bench) alternate(n int, call func(road, context.Context, int) (time.Duration, error)) ([3][]time.Duration, error) {
	var took [3][]time.Duration
	roads := [3]road{b.direct, b.proxy, b.near}
	for i := range n {
		b.asked++
		for k := range roads {
			which := (i + k) % len(roads)
			d, err := call(roads[which], b.ctx, b.asked)
			if err != nil {
				return took, err
			}
			took[which] = append(took[which], d)
		}
	}
	return took, nil
}

// cacheHits measures answers from the cache.
func (b *bench) cacheHits() error {
	note("%d cache hits", calls)
	body := fmt.Sprintf(`{"model":"cloud","temperature":0,"messages":[{"role":"user","content":%q}]}`, question(0))
	var took []time.Duration
	for begun := time.Now(); len(took) < calls; {
		start := time.Now()
		resp, err := b.near.post(b.ctx, body)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("read a kept answer: %w", err)
		}
		switch hit := resp.Header.Get("x-nearside-cache") == "hit"; {
		case hit:
			took = append(took, time.Since(start))
		case len(took) > 0 || time.Since(begun) > 5*time.Second: // it is stored soon after the first answer
			return fmt.Errorf("the cache does not answer: %s", resp.Header.Get("x-nearside-route"))
		}
	}
	b.sheet.add("cache_hit_p50_ms", millis(quantile(took, 0.5)), "ms")
	return nil
}

// question is a usual question of a few words.
func question(i int) string {
	return fmt.Sprintf("What should one know about the lighthouse number %d on this coast before going there by boat?", i)
}

// plain makes one call that the cache is asked about, and reads its answer to the
// end.
func (r road) plain(ctx context.Context, i int) (time.Duration, error) {
	begun := time.Now()
	resp, err := r.post(ctx, fmt.Sprintf(`{"model":%q,"temperature":0,"messages":[{"role":"user","content":%q}]}`, r.model, question(i)))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	return time.Since(begun), nil
}

// stream makes one streamed call; the time is that of its first event.
func (r road) stream(ctx context.Context, i int) (time.Duration, error) {
	begun := time.Now()
	resp, err := r.post(ctx, fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":%q}]}`, r.model, question(i)))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	line, err := body.ReadString('\n')
	took := time.Since(begun)
	if err != nil || !strings.HasPrefix(line, "data: {") {
		return 0, fmt.Errorf("first line of a stream %q: %w", line, err)
	}
	rest, err := io.ReadAll(body)
	if err == nil && !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, fmt.Errorf("read a stream: %w", err)
	}
	return took, nil
}

// post sends a body; the answer must be 200.
func (r road) post(ctx context.Context, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a call: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("call of %s: status %s", r.model, resp.Status)
	}
	return resp, nil
}
