package stages

import (
	"errors"
	"fmt"
	"slices"
)

// Plan makes the stages of a rollout. Shares, in per cent and rising to 100, go
// through all rings at once; without shares the rings have their turn one after
// the other, each as a whole.
func Plan(rings []string, shares []float64) ([]Stage, error) {
	if len(rings) == 0 {
		return nil, errors.New("name at least one ring")
	}
	if len(rings) > maxRings {
		return nil, fmt.Errorf("%d rings, at most %d", len(rings), maxRings)
	}
	for i, ring := range rings {
		if slices.Contains(rings[:i], ring) {
			return nil, fmt.Errorf("ring %s is named twice", ring)
		}
	}
	if len(shares) == 0 {
		return oneByOne(rings), nil
	}
	if len(shares) > maxStages {
		return nil, fmt.Errorf("%d stages, at most %d", len(shares), maxStages)
	}
	all, before := []Stage{}, 0.0
	for _, share := range shares {
		if !(share > before && share <= 100) {
			return nil, fmt.Errorf("a stage of %g %% after %g %%: shares must rise, up to 100", share, before)
		}
		all, before = append(all, Stage{Rings: rings, Share: share}), share
	}
	if before < 100 {
		return nil, fmt.Errorf("the last stage is %g %%: it must be 100, or the rest of the fleet never gets it", before)
	}
	return all, nil
}

func oneByOne(rings []string) []Stage {
	var all []Stage
	for _, ring := range rings {
		all = append(all, Stage{Rings: []string{ring}, Share: 100})
	}
	return all
}
