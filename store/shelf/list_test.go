package shelf_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestList holds pages of any size, after any key, to a plain list of what was put,
// with keys that come again, before and after what waits is written.
func TestList(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		kinds(t, func(t *testing.T, room *room) {
			if !strings.Contains(t.Name(), "queue") {
				return // nobody lists the other kind
			}
			var all []string // the latest last; the value of a key is the key
			for i := range 200 {
				switch key := fmt.Sprint(i); r.IntN(12) {
				case 0:
					for room.Flush(t.Context()) {
					}
				case 1, 2, 3:
					checkPage(t, room, all, r)
				case 4:
					if len(all) > 0 {
						key = all[r.IntN(len(all))]
					}
					fallthrough
				default:
					all = append(slices.DeleteFunc(all, func(k string) bool { return k == key }), key)
					room.PutLate(key, room.now.UnixMilli(), func(to []byte) []byte { return append(to, key...) })
				}
			}
		})
	}
}

// checkPage asks for one page.
func checkPage(t *testing.T, room *room, all []string, r *rand.Rand) {
	t.Helper()
	limit, before, want := r.IntN(50), "", slices.Clone(all)
	slices.Reverse(want)
	switch pick := r.IntN(9); {
	case pick == 0:
		before, want = "never", nil
	case pick < 6 && len(want) > 0:
		at := r.IntN(len(want))
		before, want = want[at], want[at+1:]
	}
	page, err := room.List(t.Context(), limit, before)
	var got []string
	for _, value := range page {
		got = append(got, string(value))
	}
	if want = want[:min(limit, len(want))]; !slices.Equal(got, want) || err != nil {
		t.Errorf("%d after %q: got %v, %v, want %v", limit, before, got, err, want)
	}
}
