package remote

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
)

// DefaultDevice is the name of a device whose config gives none: dev- and 16 hex
// digits made of the machine's id, which is not to be told itself, so that they
// stay when the host is renamed; the host's name where there is no such id, ""
// where that is no name either.
func DefaultDevice() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			if name := deviceOf(string(id)); name != "" {
				return name
			}
		}
	}
	host, err := os.Hostname()
	if err != nil || !Plainly(host) || strings.HasPrefix(host, "localhost") {
		return ""
	}
	return host
}

// deviceOf is the name made of a machine's id, "" when it is none.
func deviceOf(id string) string {
	id = strings.TrimSpace(id)
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "" {
		return ""
	}
	sum := hmac.New(sha256.New, []byte(id))
	sum.Write([]byte("nearside device"))
	return "dev-" + hex.EncodeToString(sum.Sum(nil)[:8])
}
