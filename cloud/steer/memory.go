package steer

import (
	"context"
	"sync"
)

// Memory is a [Keeper] of devices that remember nothing: it keeps the record for
// as long as the process lives. The zero value has none.
type Memory struct {
	mu     sync.Mutex // guards record
	record []byte
}

// Load is the record that was saved last.
func (m *Memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record, nil
}

// Second is the same: there is one copy.
func (m *Memory) Second(context.Context) ([]byte, error) { return m.Load() }

// Save never fails.
func (m *Memory) Save(_ context.Context, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = record
	return nil
}
