package helm

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestHumbly: what is judged steps back behind answers, and nothing else does.
func TestHumbly(t *testing.T) {
	nice := func() int32 {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a.Nice
	}
	before, within := nice(), int32(0)
	humbly(func() { within = nice() })
	if after := nice(); within != max(lowly, before) || after != before {
		t.Errorf("nice is %d, within %d, and %d after it", before, within, after)
	}
	defer func() {
		if got := recover(); got != "a fault" {
			t.Errorf("got %v, want the panic", got)
		}
	}()
	humbly(func() { panic("a fault") })
}
