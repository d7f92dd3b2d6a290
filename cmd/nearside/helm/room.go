package helm

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"golang.org/x/sys/unix"

	"nearside/agent/config"
	"nearside/cloud/network"
	"nearside/cloud/steer"
	"nearside/cmd/nearside/kinds"
	"nearside/policy"
	"nearside/policy/calib"
)

// newRoom is where documents that are no policies are in force.
func (h *Helm) newRoom() *kinds.Room {
	o := kinds.Options{
		Via: h.via, Online: h.reachable, Metered: h.o.Device.Frugal, Free: h.free,
		Given: h.o.Given, Renew: h.o.Lay, Offer: h.offerAgain, Log: h.o.Log,
	}
	if h.o.State != "" {
		o.Dir = filepath.Join(h.o.State, "parcels")
	}
	return kinds.NewRoom(o)
}

// kinds are the documents that are taken beside policies.
func (h *Helm) kinds() map[string]steer.Kind {
	all := map[string]steer.Kind{}
	for _, name := range kinds.Names() {
		all[name] = h.room.Hook(name)
	}
	return all
}

// via is how files that documents name are fetched.
func (h *Helm) via() (http.RoundTripper, error) {
	w := h.watch.Load()
	if w == nil {
		return nil, errors.New("nobody steers this device")
	}
	return w.via()
}

func (h *Helm) reachable() bool { return h.o.Device.Look().Connectivity.State != network.Offline }

// free are the bytes free on the disk of the state folder.
func (h *Helm) free() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(h.o.State, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// offerAgain brings an envelope whose files have come.
func (h *Helm) offerAgain(ctx context.Context, envelope []byte, from string) error {
	w := h.watch.Load()
	if w == nil {
		return steer.ErrStopped
	}
	_, err := w.offer(ctx, envelope, from)
	return err
}

// fetch gets the files that documents name, until ctx ends.
func (h *Helm) fetch(ctx context.Context) {
	if err := h.room.Run(ctx); err != nil {
		h.o.Log.Error("files that documents from outside name are not fetched", "err", err)
	}
}

// Over is the config with the documents that are in force laid over it.
func (h *Helm) Over(cfg *config.Config, own *policy.Document) *config.Config {
	return h.room.Over(cfg, own)
}

// Table is the signed calibration of a model, nil when there is none.
func (h *Helm) Table(sha256 string) *calib.Table { return h.room.Table(sha256) }
