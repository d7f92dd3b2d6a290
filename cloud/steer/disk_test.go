package steer_test

import (
	"context"
	"sync"
	"testing"

	"nearside/policy/trial"
)

// disk is a keeper. Its copies outlive the lives of processes.
type disk struct {
	mu            sync.Mutex
	first, second []byte
	saves         int
	save          func(n int, b []byte) error // asked first, with the number of the save
	late          chan struct{}               // the second copy comes when it is closed
	read          bool                        // the second copy was, and may be written
}

func (k *disk) Load() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read = false
	return k.first, nil
}

func (k *disk) Second(ctx context.Context) ([]byte, error) {
	if k.late != nil {
		select {
		case <-k.late:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read = true
	return k.second, nil
}

func (k *disk) Save(_ context.Context, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saves++
	if k.save != nil {
		if err := k.save(k.saves, b); err != nil {
			return err
		}
	}
	k.first = b
	if k.read {
		k.second = b
	}
	return nil
}

// count is how many saves there were.
func (k *disk) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.saves
}

// on has something asked before each save from now on.
func (k *disk) on(save func(n int, b []byte) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.save = save
}

func (k *disk) record(tb testing.TB) trial.Record {
	tb.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.first == nil {
		return trial.Record{}
	}
	r, err := trial.Decode(k.first)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
