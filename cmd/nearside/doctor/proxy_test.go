package doctor_test

import (
	"os"
	"os/exec"
	"testing"

	"nearside/agent/config/secret"
	"nearside/cmd/nearside/doctor"
)

// TestProxy has a proxy at which nobody answers. The library reads the
// environment once, so it is another process that is examined.
func TestProxy(t *testing.T) {
	const child = "DOCTOR_BEHIND_A_PROXY"
	if os.Getenv(child) == "" {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$")
		c.Env = append(os.Environ(), child+"=1", "HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	w := newWard(t)
	w.cloud("https://192.0.2.1/v1", secret.Key{})
	w.finds("target", doctor.Fail, "the proxy does not answer", "HTTPS_PROXY")
}
