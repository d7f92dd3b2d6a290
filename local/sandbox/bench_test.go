package sandbox_test

import (
	"os/exec"
	"runtime"
	"testing"

	"nearside/local/sandbox"
)

// BenchmarkStart is what a start costs until the program runs, and what it
// would without the launcher.
func BenchmarkStart(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.Run("closed in", func(b *testing.B) {
		for b.Loop() {
			cmd, _, err := sandbox.Start(sandbox.Spec{Command: []string{"true"}, Memory: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			_ = cmd.Wait()
		}
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
