package daemon

import (
	"slices"
	"testing"

	"nearside/agent/config"
	"nearside/agent/config/secret"
)

// TestSwappedStaysGuarded: a daemon that is reached from elsewhere until it is
// started again keeps its token until then.
func TestSwappedStaysGuarded(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // with nothing installed
	far, near := config.Default(), config.Default()
	far.Listen.HTTP, far.Listen.Hosts = "0.0.0.0:6327", []string{"device.example"}
	far.Listen.TLS, far.Listen.Token = &config.TLS{Cert: "/cert.pem", Key: "/key.pem"}, secret.Key{File: "/token"}
	near.Listen.Asks = 7
	for _, c := range []*config.Config{far, near} {
		if faults := c.Validate(); faults != nil {
			t.Fatal(faults)
		}
	}
	next := swapped(far, near)
	if next.Listen.Token.IsZero() || next.Validate() != nil {
		t.Errorf("in force: %+v, %v", next.Listen, next.Validate())
	}
	if next.Listen.Asks != 7 {
		t.Errorf("asks: got %d, want 7 at once", next.Listen.Asks)
	}
	if got, want := config.Differences(next, near), []string{"listen.http", "listen.tls", "listen.token", "listen.hosts"}; !slices.Equal(got, want) {
		t.Errorf("for a restart: got %v, want %v", got, want)
	}
}
