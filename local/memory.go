package local

import (
	"errors"
	"fmt"
	"runtime"
)

// How much memory an engine takes, from the size of its model alone. A token of
// context took from 1/40,000 (large models, grouped heads) to 1/4,000 (small
// ones) of the model's size in those that were looked at.
const (
	mostPerToken  = 4_000
	leastPerToken = 40_000
	margin        = 512 << 20 // buffers of computing, prompts kept, the program itself
	perCore       = 16 << 20  // stacks of threads count when they are set up, not when they are used
	leastMargin   = 64 << 20
)

// errShort is a start that was not tried, since memory is too short for it.
var errShort = errors.New("memory")

// bound is the memory an engine may have beside the files it maps: the
// operator's, else what a context at its largest takes, the weights twice (in
// the form the processor likes, and in passing) and a margin. Beside the
// margin it is never more than there was when it started.
func (e *engine) bound(size uint64) (uint64, error) {
	available, known := uint64(0), false
	if e.opts.Memory != nil {
		available, known = e.opts.Memory()
	}
	least := size + uint64(e.model.tokens())*size/leastPerToken + leastMargin
	if known && available < least {
		return 0, fmt.Errorf("%w: %d MiB are available and the model takes at least %d MiB; end other programs, or use a smaller model or context", errShort, available>>20, least>>20)
	}
	if e.opts.Bound > 0 {
		return e.opts.Bound, nil
	}
	bound := 2*size + uint64(e.model.tokens())*size/mostPerToken
	if known {
		bound = min(bound, available)
	}
	return bound + margin + uint64(runtime.NumCPU())*perCore, nil
}
