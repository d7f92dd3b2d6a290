package config_test

import (
	"slices"
	"testing"
	"time"

	"nearside/agent/config"
	"nearside/agent/config/remote"
)

func TestDifferences(t *testing.T) {
	a, b := config.Default(), config.Default()
	if got := config.Differences(a, b); len(got) != 0 {
		t.Errorf("of equal configs: got %v, want none", got)
	}
	b.Listen.HTTP, b.Listen.TLS = "", &config.TLS{Cert: "c"}
	b.Local.Engine.Idle = time.Second
	b.Cloud.Targets = []config.Target{{Name: "x"}}
	a.Remote, b.Remote = &remote.Remote{Tenant: "T", Ring: "a"}, &remote.Remote{Tenant: "T", Ring: "b"}
	b.Drain, b.InstalledFault = time.Second, "not a setting"
	want := []string{"listen.http", "listen.tls", "local.engine", "cloud.targets", "remote.ring", "drain"}
	if got := config.Differences(a, b); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
