package decision

import (
	"sync"
	"time"

	"nearside/agent/openai"
	"nearside/agent/openai/fault"
)

// Calls collects calls to targets; hedged ones end on other goroutines. The zero
// Calls has none.
type Calls struct {
	mu   sync.Mutex // guards list
	list []openai.Attempt
	room [1]openai.Attempt // of list, when there is no more
}

// Add takes in the end of a call.
func (c *Calls) Add(one openai.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		c.list = c.room[:0]
	}
	c.list = append(c.list, one)
}

// Reached counts the calls that reached out to a target.
func (c *Calls) Reached() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, x := range c.list {
		if x.Result != "down" && x.Result != "busy" {
			n++
		}
	}
	return n
}

// Attempts are the calls of a request that began at that time.
func (c *Calls) Attempts(start time.Time) []Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Attempt, len(c.list))
	for i, x := range c.list {
		out[i] = Attempt{x.Target, x.Start.Sub(start).Milliseconds(), x.Took.Milliseconds(), x.Result, fault.Plain(x.Err)}
	}
	return out
}
