package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sizes of the crowds.
const (
	wholeEach   = 10_000 // streams, shared by one, four and sixteen at once
	crowdSize   = 128
	crowdFor    = time.Minute
	idleConns   = 9000
	dialsAtOnce = 32
)

// wholeStreams counts streams that do not end as they should.
func (b *bench) wholeStreams() error {
	note("%d streams, by 1, 4 and 16 at once", wholeEach)
	for _, share := range []struct{ at, n int }{{1, 2000}, {4, 4000}, {16, 4000}} {
		var g errgroup.Group
		for w := range share.at {
			from := b.asked + w*share.n/share.at
			g.Go(func() error {
				for i := range share.n / share.at {
					if _, err := b.near.stream(b.ctx, from+i); err != nil {
						return fmt.Errorf("%d streams at once: %w", share.at, err)
					}
				}
				return nil
			})
		}
		b.asked += share.n
		if err := g.Wait(); err != nil {
			return err
		}
	}
	b.sheet.add("streams_cut", 0, "of 10,000")
	return nil
}

// crowd measures what memory the daemon takes while very many ask for a minute,
// and whether it grows: its peak in the second half over that in the first.
func (b *bench) crowd() error {
	note("%d plain calls at once for %v", crowdSize, crowdFor)
	near := road{manyTo(b.near.client, crowdSize), b.near.url, b.near.model}
	defer near.client.CloseIdleConnections()
	end := time.Now().Add(crowdFor)
	var g errgroup.Group
	for w := range crowdSize {
		from := b.asked + w*1_000_000
		g.Go(func() error {
			for i := 0; time.Now().Before(end) && b.ctx.Err() == nil; i++ {
				if _, err := near.plain(b.ctx, from+i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.asked += crowdSize * 1_000_000
	if err := wait(b.ctx, crowdFor/2); err != nil {
		return err
	}
	half, err1 := b.daemon.memory("status", "VmHWM:")
	if err := first(err1, g.Wait()); err != nil {
		return err
	}
	peak, err1 := b.daemon.memory("status", "VmHWM:")
	anon, err2 := b.daemon.memory("smaps_rollup", "Anonymous:")
	b.sheet.add("rss_peak_mb", peak, "MB")
	b.sheet.add("anon_peak_mb", anon, "MB")
	b.sheet.add("rss_growth_ratio", peak/half, "x")
	return first(err1, err2)
}

// manyTo is a client that keeps as many connections as it has callers.
func manyTo(c *http.Client, n int) *http.Client {
	t := c.Transport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = n, n
	return &http.Client{Transport: t}
}

// connections measures the memory of connections that have been used once and
// are kept open.
func (b *bench) connections() error {
	note("%d idle connections", idleConns)
	before, err := b.daemon.memory("smaps_rollup", "Anonymous:")
	if err != nil {
		return err
	}
	open := make(chan net.Conn, idleConns)
	defer func() {
		close(open)
		for c := range open {
			c.Close()
		}
	}()
	var g errgroup.Group
	for range dialsAtOnce {
		g.Go(func() error {
			for range idleConns / dialsAtOnce {
				c, err := b.used()
				if err != nil {
					return err
				}
				open <- c
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	after, err := b.daemon.memory("smaps_rollup", "Anonymous:")
	b.sheet.add("idle_conn_kib", (after-before)*1e6/1024/float64(len(open)), "KiB")
	return err
}

// used is a connection over which one small request went.
func (b *bench) used() (net.Conn, error) {
	transport := b.near.client.Transport.(*http.Transport)
	c, err := transport.DialContext(context.WithoutCancel(b.ctx), "unix", "")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, fmt.Errorf("ask for health: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, fmt.Errorf("read health: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("health is %s", resp.Status)
	}
	return c, nil
}
